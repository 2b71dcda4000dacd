"""Fuzzing with Schemathesis: every answer must be one that the OpenAPI document promises.

The requests are valid and invalid, single and chained.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from billor.embedded.launcher import PROJECT
from tests.support.system import Api

SUPPORT = PROJECT / "tests" / "support"
# Short and with a fixed seed, or long and random: `make fuzz`.
MINUTES = int(os.environ.get("FUZZ_MINUTES", "0"))
EXTENT = f"--max-time={MINUTES * 60 // 2}" if MINUTES else "--seed=1"  # for each of two tests
METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.fixture
def api(seeded_system) -> Api:
    seeded_system.start_worker()
    return seeded_system.start_api()


def test_every_operation_answers_as_its_document_promises(api: Api, tmp_path):
    paths = api.client.get("/openapi.json").body["paths"]
    operations = {
        f"{method.upper()} {path}" for path, item in paths.items() for method in METHODS & set(item)
    }
    report = run_schemathesis(api, tmp_path, "examples,coverage,fuzzing")
    assert report["operations"]["tested"] == len(operations)
    assert report["test_cases"]["generated"] >= 1000
    accepted = {
        operation
        for operation, phases in report["valid_rates"].items()
        if any(rates["accepted"] for rates in phases.values())
    }
    assert accepted == operations


def test_chained_operations_answer_as_their_document_promises(api: Api, tmp_path):
    report = run_schemathesis(api, tmp_path, "stateful")
    assert report["test_cases"]["generated"] >= 50


def run_schemathesis(api: Api, folder: Path, phases: str) -> dict[str, Any]:
    """Run Schemathesis; return its report. Its findings are printed."""
    report_file = folder / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            f"--config-file={SUPPORT / 'schemathesis.toml'}",
            *("run", f"http://127.0.0.1:{api.client.port}/openapi.json"),
            *(f"--phases={phases}", "--continue-on-failure", EXTENT),
            *("--report=json", f"--report-json-path={report_file}"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),  # for the hooks
            "BILLOR_TOKEN": api.client.token,
            "SCHEMATHESIS_HOOKS": str(SUPPORT / "schemathesis_hooks.py"),
        },
        cwd=folder,  # where it stores its examples
        check=False,
    )
    assert done.returncode == 0, "Schemathesis found something: see what it printed"
    report = json.loads(report_file.read_text())
    assert {report["phases"][phase]["status"] for phase in phases.split(",")} == {"success"}
    return report
