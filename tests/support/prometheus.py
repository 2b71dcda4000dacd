"""A real Prometheus over our processes, with the configuration in deploy/prometheus."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml

from billor.embedded.processes import Program, free_port
from tests.support.exported import ALERTS
from tests.support.http import HttpClient, Reply


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`. Skips if it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: alerts and dashboard are NOT evaluated by it")
    return path


class Prometheus:
    """How to start it with these targets by job, and how to ask it."""

    def __init__(
        self, folder: Path, targets: Mapping[str, str], token: str, interval: str = "500ms"
    ):
        self._port = free_port()
        (folder / "token").write_text(token)
        configuration = yaml.safe_load((ALERTS.parent / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": interval, "evaluation_interval": "1s"}
        configuration["rule_files"] = [str(ALERTS)]
        assert {job["job_name"] for job in configuration["scrape_configs"]} == set(targets)
        for job in configuration["scrape_configs"]:
            job["authorization"] = {"credentials_file": str(folder / "token")}
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self.program = Program(
            name="prometheus",
            argv=[
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            is_ready=self._is_ready,
            folder=folder,
        )

    def _is_ready(self) -> bool:
        try:
            return self._get("/-/ready").status == 200
        except OSError:
            return False

    def _get(self, path: str) -> Reply:
        client = HttpClient(self._port)
        try:
            return client.get(path)
        finally:
            client.close()

    def query(self, expression: str) -> list[dict]:
        """The samples of an expression now. Fails if it cannot be evaluated."""
        return self._result("query", query=expression)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict]:
        """The series of an expression between two times, in seconds since 1970."""
        return self._result("query_range", query=expression, start=start, end=end, step=step)

    def _result(self, kind: str, **parameters: str | float) -> list[dict]:
        found = self._get(f"/api/v1/{kind}?{urlencode(parameters)}").body
        assert found["status"] == "success", found
        return found["data"]["result"]

    def rules(self) -> list[dict]:
        """All alerts, with their health and state."""
        groups = self._get("/api/v1/rules").body["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
