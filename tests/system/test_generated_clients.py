"""A client that is generated from openapi.json creates, assigns and completes.

Its generator comes from PyPI.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.launcher.launcher import PROJECT
from tests.support.system import System

pytestmark = pytest.mark.slow

DOCUMENT = PROJECT / "openapi.json"
BIN = Path(sys.executable).parent
USE_PYTHON_CLIENT = """
import sys

from client import AuthenticatedClient
from client.api.assignments import assign_load, change_assignment_status
from client.api.drivers import create_driver
from client.api.loads import create_load, get_load
from client.models import AssignmentStatus, Status, StatusStatus
from client.models import NewAssignment, NewDriver, NewLoad

api = AuthenticatedClient(sys.argv[1], sys.argv[2])
driver = create_driver.sync(client=api, body=NewDriver(name="Robin Reed", license_number="TX-77"))
body = NewLoad(origin="Dallas, TX", destination="Reno, NV", cargo_type="Steel")
load = create_load.sync(client=api, body=body)
pair = NewAssignment(driver_id=driver.id, load_id=load.id)
assignment = assign_load.sync(client=api, body=pair)
assert assignment.status == AssignmentStatus.ASSIGNED, assignment
refused = assign_load.sync(client=api, body=pair)
assert refused.code == "driver_already_assigned", refused
body = Status(StatusStatus.COMPLETED)
closed = change_assignment_status.sync(assignment.id, client=api, body=body)
assert closed.status == AssignmentStatus.COMPLETED, closed
assert get_load.sync(load.id, client=api).status == "COMPLETED"
"""


def run(folder: Path, *command: str | Path) -> str:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_python_client_creates_assigns_and_completes(seeded_system: System, tmp_path):
    api = seeded_system.start_api(workers=1)
    generate = ("openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none")
    output = run(
        tmp_path, BIN / "uv", "tool", "run", *generate, "--output-path", tmp_path / "client"
    )
    assert output.count("Endpoint will not be generated") <= 1, "only an import's body is a file"
    (tmp_path / "use.py").write_text(USE_PYTHON_CLIENT)
    needed = ("--with", "httpx", "--with", "attrs", "--with", "python-dateutil")
    url = f"http://127.0.0.1:{api.client.port}"
    python = ("python", "use.py", url, seeded_system.token)
    run(tmp_path, BIN / "uv", "run", "--no-project", *needed, *python)
