"""Measures what metrics cost: counting a cached page, and an export.

Two servers differ by more than that, so one process counts and does not count in turn.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from bench import contenders
from bench.compare import PAGE
from bench.environment import Environment
from bench.load_client import Request, send
from billor.embedded.launcher import PROJECT

PAGE_SECONDS = 5
EXPORTS = 50


@dataclass(frozen=True)
class Metrics:
    """CPU microseconds of a cached page and of counting it, and milliseconds of an export."""

    page_microseconds: float
    counting_microseconds: float
    export_milliseconds: float

    @property
    def share(self) -> float:
        """What part of a cached page's time counting takes."""
        return self.counting_microseconds / self.page_microseconds


def metrics(environment: Environment) -> Metrics:
    """Ask a server for pages and exports, and then one process alone."""
    settings = {**environment.settings, "METRICS_TOKEN": secrets.token_hex()}
    with contenders.billor(settings, environment.folder) as server:
        contenders.get(server, PAGE, environment.token)
        before = server.cpu_seconds()
        pages = [Request("GET", PAGE)]
        outcome = send(server.url, environment.token, pages, PAGE_SECONDS)
        return Metrics(
            page_microseconds=(server.cpu_seconds() - before) * 1e6 / outcome.requests,
            counting_microseconds=_counting_microseconds(environment),
            export_milliseconds=median(
                _export_milliseconds(server, settings["METRICS_TOKEN"]) for _ in range(EXPORTS)
            ),
        )


def _counting_microseconds(environment: Environment) -> float:
    """Return the median of the differences of rounds with and without counting."""
    (shared := environment.folder / "metrics").mkdir()
    more = {"PROMETHEUS_MULTIPROC_DIR": str(shared), "BENCH_TOKEN": environment.token}
    done = subprocess.run(
        [sys.executable, "-m", "bench.yardsticks.counted_pages"],
        env={**os.environ, **environment.settings, **more, "LOG_LEVEL": "INFO"},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each page
        check=True,
    )
    return median(on - off for on, off in json.loads(done.stdout))


def _export_milliseconds(server: contenders.Contender, token: str) -> float:
    started = time.perf_counter()
    contenders.get(server, "/metrics", token)
    return (time.perf_counter() - started) * 1000
