"""Fuzzing with Schemathesis: every answer must be one that the OpenAPI document promises.

The requests are valid and invalid, single and chained, and made by each role.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from billor.auth.service import issue_token
from billor.embedded.launcher import PROJECT
from billor.roles import Role
from tests.support.system import Api, System
from tests.support.users import make_user

SUPPORT = PROJECT / "tests" / "support"
# Short and with a fixed seed, or long and random: `make fuzz`.
MINUTES = int(os.environ.get("FUZZ_MINUTES", "0"))
EXTENT = f"--max-time={MINUTES * 60 // 4}" if MINUTES else "--seed=1"  # for each of four runs
METHODS = {"get", "post", "patch", "put", "delete"}
PASSWORD = "a-good-password"
DRIVER_ID = 1
PHASES = {
    Role.DRIVER: ("fuzzing", 1),
    Role.DISPATCHER: ("fuzzing", 1),
    Role.ADMIN: ("examples,coverage,fuzzing" if MINUTES else "examples,fuzzing", 3),
}
"""What each role runs, and how many examples of each operation if it is to be short.

The views are the same: others than admins need fewer.
"""
MANY_EXAMPLES = 10_000
OF_DRIVERS = {"GET /me/assignment", "GET /me/assignments", "PATCH /me/assignment/status"}
"""What others than drivers cannot do."""


pytestmark = pytest.mark.slow


@pytest.fixture
def api(seeded_system: System) -> Api:
    seeded_system.start_worker()
    return seeded_system.start_api()


@pytest.fixture
def settings_of(seeded_system: System, api: Api):
    """Make the users of a role that a run needs; return their settings."""

    def make(role: Role) -> dict[str, str]:
        driver_id = DRIVER_ID if role == Role.DRIVER else None
        emails = [f"{name}-{role}@billor.example" for name in ("fuzzer", "double")]
        with seeded_system.app.app_context():
            fuzzer, _double = (make_user("F", e, PASSWORD, role, driver_id) for e in emails)
            token = issue_token(fuzzer)
        credentials = {"email": emails[1], "password": PASSWORD}
        # From here on, failed logins of others do not block it.
        assert api.client.post("/auth/login", credentials).status == 200
        return {
            "BILLOR_URL": f"http://127.0.0.1:{api.client.port}",
            "BILLOR_ROLE": role,
            "BILLOR_TOKEN": token,
            "BILLOR_ADMIN_TOKEN": seeded_system.token,
            "BILLOR_DOUBLE_EMAIL": emails[1],
            "BILLOR_DOUBLE_PASSWORD": PASSWORD,
        }

    return make


@pytest.mark.parametrize("role", PHASES)
def test_every_operation_answers_each_role_as_its_document_promises(
    api, settings_of, tmp_path, role
):
    paths = api.client.get("/openapi.json").body["paths"]
    del paths["/changes"]  # which goes on for minutes
    operations = {
        f"{method.upper()} {path}" for path, item in paths.items() for method in METHODS & set(item)
    }
    phases, few = PHASES[role]
    examples = f"--max-examples={MANY_EXAMPLES if MINUTES else few}"
    report = run_schemathesis(settings_of(role), tmp_path, phases, examples)
    assert report["operations"]["tested"] == len(operations)
    accepted = {
        operation
        for operation, rates_of in report["valid_rates"].items()
        if any(rates["accepted"] for rates in rates_of.values())
    }
    if role == Role.DRIVER:
        assert accepted >= OF_DRIVERS
    if role == Role.ADMIN:
        assert accepted >= operations - OF_DRIVERS
        assert report["test_cases"]["generated"] >= 100


def test_chained_operations_answer_as_their_document_promises(settings_of, tmp_path):
    report = run_schemathesis(settings_of(Role.ADMIN), tmp_path, "stateful")
    assert report["test_cases"]["generated"] >= 50


def run_schemathesis(
    settings: dict[str, str], folder: Path, phases: str, *arguments: str
) -> dict[str, Any]:
    """Run Schemathesis; return its report. Its findings are printed."""
    report_file = folder / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            f"--config-file={SUPPORT / 'schemathesis.toml'}",
            *("run", f"{settings['BILLOR_URL']}/openapi.json"),
            *(f"--phases={phases}", "--continue-on-failure", EXTENT, *arguments),
            *("--report=json", f"--report-json-path={report_file}"),
        ],
        env={
            **os.environ,
            **settings,
            "PYTHONPATH": str(PROJECT),  # for the hooks
            "SCHEMATHESIS_HOOKS": str(SUPPORT / "schemathesis_hooks.py"),
        },
        cwd=folder,  # where it stores its examples
        check=False,
    )
    assert done.returncode == 0, "Schemathesis found something: see what it printed"
    report = json.loads(report_file.read_text())
    assert {report["phases"][phase]["status"] for phase in phases.split(",")} == {"success"}
    return report
