"""The programs of docs/clients.md do their job, with clients generated from /openapi.json."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from scripts.launcher.launcher import PROJECT
from tests.support.system import System
from tests.system.test_examples import FENCED

DOCS = PROJECT / "docs"
PROGRAMS = (Path(sys.executable).parent, DOCS / "clients/node_modules/.bin")
INSTALLS = re.compile(r"^(pip|npm) install.*|\bnpx ", re.MULTILINE)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVERS = (
    ("python", "-c", "import json, sys, receive; print(receive.read(*json.loads(sys.argv[1])))"),
    ("node", "-p", "require('./receive.js').read(...JSON.parse(process.argv[1]))"),
)
IMPORT_ALL = """
import importlib, pkgutil, billor_client
for module in pkgutil.walk_packages(billor_client.__path__, "billor_client."):
    importlib.import_module(module.name)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The programs of the page, beside the packages that they need."""
    if not PROGRAMS[1].exists():
        pytest.skip("The packages of npm are not installed: clients are NOT tested")
    (tmp_path / "node_modules").symlink_to(PROJECT / "node_modules")
    ignored = shutil.ignore_patterns("node_modules")
    return Path(shutil.copytree(DOCS / "clients", tmp_path / "clients", ignore=ignored))


def run(folder: Path, *command: str) -> tuple[int, str]:
    path = ":".join([*map(str, PROGRAMS), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "WEBHOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_programs_of_the_page_do_their_job(seeded_system: System, folder: Path):
    api = seeded_system.start_api(workers=1)
    key = api.client.post("/api-keys", {"name": "Accounting"}).body["key"]
    commands = "".join(text for _, text in FENCED.findall((DOCS / "clients.md").read_text()))
    commands = INSTALLS.sub("", commands).replace("bil_…", key)

    status, output = run(
        folder, "bash", "-euo", "pipefail", "-c", commands.replace(":8000", f":{api.client.port}")
    )
    assert status == 0, output
    assert output.count("Endpoint will not be generated") <= 1, "only an import's body is a file"
    assert output.splitlines().count("driver_already_assigned") == 2, "and grep has found the third"
    lists = [json.loads(line) for line in output.splitlines() if line.startswith("[{")]
    loads = [row["id"] for page in lists for row in page if "origin" in row]
    assert loads == [*range(5, 0, -1), *range(6, 0, -1), *range(7, 0, -1)]
    feeds = [feed[0]["type"] for feed in lists if "payload" in feed[0]]
    assert feeds == ["driver.created"] * 3

    assert run(folder, "python", "-c", IMPORT_ALL) == (0, "")
    now, body = datetime.now(UTC), '{"type": "load.assigned"}'
    signed = {
        "webhook-id": "1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("1", now, body),
    }
    for receiver in RECEIVERS:
        status, output = run(folder, *receiver, json.dumps([signed, body]))
        assert (status, "load.assigned" in output) == (0, True), output
        status, output = run(folder, *receiver, json.dumps([signed, f"{body} "]))
        assert (status, "No matching signature found" in output) == (1, True), output
