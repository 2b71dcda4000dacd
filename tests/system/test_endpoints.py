"""`scripts/test_endpoints.sh` takes the seven steps, shows each request, and refuses clearly."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.apps import DEAD_ADDRESS

SCRIPT = Path(__file__).parents[2] / "scripts" / "test_endpoints.sh"
PROGRAMS = ("bash", "cat", "cut", "date", "env", "grep", "mktemp", "rm", "sed", "sleep", "tr")


@pytest.fixture
def url(seeded_system) -> str:
    seeded_system.start_worker()
    return f"http://127.0.0.1:{seeded_system.start_api(workers=1).client.port}"


@pytest.fixture(scope="module")
def few_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH with what every machine has: neither jq nor curl."""
    folder = tmp_path_factory.mktemp("bin")
    for program in PROGRAMS:
        (folder / program).symlink_to(shutil.which(program))
    return folder


def run(url: str, script: Path = SCRIPT, **environment: str) -> tuple[int, str]:
    login = {"DEMO_EMAIL": DEMO_EMAIL, "DEMO_PASSWORD": DEMO_PASSWORD}
    done = subprocess.run(
        ["bash", script],
        env={"PATH": os.environ["PATH"], "BASE_URL": url, **login, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_the_script_takes_the_seven_steps_any_number_of_times(url: str, few_programs: Path):
    (few_programs / "curl").symlink_to(shutil.which("curl"))
    for environment in ({}, {"PATH": str(few_programs), "http_proxy": f"http://{DEAD_ADDRESS}"}):
        status, output = run(url, **environment)
        assert status == 0, output
        head, *parts = re.split(r"\n\n(?=\d\. |Beyond)", output)
        assert url in head
        assert [part[:2] for part in parts] == [*(f"{step}." for step in range(1, 8)), "Be"]
        counts = [part.count(" → 20") for part in parts]
        assert (counts[:-1], counts[-1] > 5) == ([1, 1, 4, 2, 1, 1, 0], True), counts
        assert re.findall("X-Cache: (.*)", output) == ["MISS", "HIT"]
        assert re.search('"status": ?"ASSIGNED"', parts[5])
        assert re.search('"licenseNumber": ?"TEST-', parts[5])
        assert re.search('"code": ?"driver_already_assigned"', parts[6])
        assert DEMO_PASSWORD not in output
        assert output.endswith("\nAll of it works.\n")
    (few_programs / "curl").unlink()


def test_the_script_names_what_is_missing(url: str, few_programs: Path, tmp_path):
    status, output = run(url, PATH=str(few_programs))
    assert (status, "curl is not installed" in output) == (1, True), output
    impatient = tmp_path / "impatient.sh"
    impatient.write_text(SCRIPT.read_text().replace("start_seconds=15", "start_seconds=1"))
    status, output = run(f"http://{DEAD_ADDRESS}", impatient)
    assert (status, "Start it with: make run" in output) == (1, True), output
    status, output = run(url, DEMO_PASSWORD='wrong " \\ password')
    assert (status, "set DEMO_EMAIL and DEMO_PASSWORD" in output) == (1, True), output
    status, output = run(f"{url}/docs")
    assert (status, "is not Billor" in output) == (1, True), output
