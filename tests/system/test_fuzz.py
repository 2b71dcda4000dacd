"""Fuzzing with Schemathesis: every answer must be one that the OpenAPI document promises.

The requests are valid and invalid. `make fuzz` makes many, at random.
"""

import json
import os
import subprocess
import sys

import pytest

from scripts.launcher.launcher import PROJECT
from tests.support.system import System

SUPPORT = PROJECT / "tests" / "support"
MINUTES = int(os.environ.get("FUZZ_MINUTES", "0"))
EXTENT = (
    [f"--max-time={MINUTES * 60}", "--max-examples=10000", "--phases=examples,coverage,fuzzing"]
    if MINUTES
    else ["--seed=1", "--max-examples=3", "--phases=examples,fuzzing"]
)
LEFT_OUT = {"/changes", "/me/changes", "/auth/logout", "/auth/logout-all", "/me/password"}
METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.mark.slow
def test_every_operation_answers_as_its_document_promises(seeded_system: System, tmp_path):
    seeded_system.start_worker()
    api = seeded_system.start_api()
    url = f"http://127.0.0.1:{api.client.port}"
    report_file = tmp_path / "report.json"
    configuration = f"--config-file={SUPPORT / 'schemathesis.toml'}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", configuration),
            *("run", f"{url}/openapi.json", "--continue-on-failure", *EXTENT),
            *("--report=json", f"--report-json-path={report_file}"),
        ],
        env={
            **os.environ,
            "BILLOR_TOKEN": seeded_system.token,
            "SCHEMATHESIS_HOOKS": str(SUPPORT / "schemathesis_hooks.py"),
        },
        cwd=tmp_path,  # where it stores its examples
        check=False,
    )
    assert done.returncode == 0, "Schemathesis found something: see what it printed"
    report = json.loads(report_file.read_text())
    paths = api.client.get("/openapi.json").body["paths"]
    operations = [m for path, item in paths.items() if path not in LEFT_OUT for m in item]
    tested = sum(method in METHODS for method in operations)
    assert report["operations"]["tested"] == tested
    assert report["test_cases"]["generated"] >= 100
