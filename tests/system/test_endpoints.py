"""`scripts/test_endpoints.sh` takes the seven steps, shows each request, and refuses clearly."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.launcher.processes import free_port
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD

SCRIPT = Path(__file__).parents[2] / "scripts" / "test_endpoints.sh"
PROGRAMS = ("bash", "cat", "cut", "date", "env", "grep", "mktemp", "rm", "sed", "sleep", "tr")
STEPS = [
    ("1. Log in", ["POST /auth/login 200"]),
    ("2. Create a user", ["POST /users 201"]),
    (
        "3. Create two drivers and two loads",
        ["POST /drivers 201", "POST /drivers 201", "POST /loads 201", "POST /loads 201"],
    ),
    ("4. List loads", ["GET /loads 200", "GET /loads 200"]),
    ("5. Assign", ["POST /assignments 201"]),
    ("6. Fetch the assignment", ["GET /assignments/ID 200"]),
    ("7. Assign the second load to the same driver", ["POST /assignments 409"]),
    (
        "Beyond the original task",
        [
            "GET /audit 200",
            "POST /assignments/ID/check-ins 201",
            "PATCH /assignments/ID/status 200",
            "GET /audit 200",
            "PATCH /loads/ID 200",
            "POST /assignments 201",
            "POST /assignments/ID/reassign 201",
            "PATCH /assignments/ID/status 200",
            "GET /loads 401",
        ],
    ),
]
REQUEST = re.compile(r"^  ([A-Z]+) (/\S*?)(?:\?\S*)?(?: \{.*\})? → (\d+)$", re.MULTILINE)


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


def run(url: str, **environment: str) -> tuple[int, str]:
    login = {"DEMO_EMAIL": DEMO_EMAIL, "DEMO_PASSWORD": DEMO_PASSWORD}
    done = subprocess.run(
        [str(SCRIPT)],
        env={"PATH": os.environ["PATH"], "BASE_URL": url, **login, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def requests_of(output: str) -> list[str]:
    return [
        " ".join([method, re.sub(r"/\d+", "/ID", path), status])
        for method, path, status in REQUEST.findall(output)
    ]


def test_the_script_takes_the_seven_steps_any_number_of_times(url: str, few_programs: Path):
    (few_programs / "curl").symlink_to(shutil.which("curl"))
    for environment in ({}, {"PATH": str(few_programs)}, {"http_proxy": "http://127.0.0.1:9"}):
        status, output = run(url, **environment)
        assert status == 0, output
        head, *parts = re.split(r"\n\n(?=\d\. |Beyond)", output)
        assert url in head
        for part, (title, requests) in zip(parts, STEPS, strict=True):
            assert part.startswith(title)
            assert requests_of(part) == requests
        assert re.findall("X-Cache: (.*)", output) == ["MISS", "HIT"]
        assert re.search('"status": ?"ASSIGNED"', parts[5])
        assert re.search('"licenseNumber": ?"TEST-', parts[5])
        assert re.search('"code": ?"driver_already_assigned"', parts[6])
        assert DEMO_PASSWORD not in output
        assert output.endswith("\nAll of it works.\n")
    (few_programs / "curl").unlink()


def test_the_script_names_what_is_missing(url: str, few_programs: Path):
    status, output = run(url, PATH=str(few_programs))
    assert (status, "curl is not installed" in output) == (1, True), output
    status, output = run(f"http://127.0.0.1:{free_port()}")
    assert (status, "Start it with: make run" in output) == (1, True), output
    status, output = run(url, DEMO_PASSWORD='wrong " \\ password')
    assert (status, "set DEMO_EMAIL and DEMO_PASSWORD" in output) == (1, True), output
    status, output = run(f"{url}/docs")
    assert (status, "is not Billor" in output) == (1, True), output
