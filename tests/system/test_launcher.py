"""`make run` and `make demo` on a fresh copy, without settings, with a terminal's signals.

The copy shares this project's .venv, so that nothing is installed again.
"""

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from billor.embedded.processes import free_port
from tests.support.http import HttpClient
from tests.support.stranger import Stranger, only_line
from tests.support.worker import wait_until

FLASK = ".venv/bin/flask"
# A window without a shell, which would pass the hang-up on to all of its jobs.
IN_A_TERMINAL = """
import os, pty
child, terminal = pty.fork()
if not child:
    os.execvp("make", ["make", "run"])
said = b""
while b"Stop with Ctrl-C" not in said:
    said += os.read(terminal, 1000)
"""
HIDDEN_PROGRAMS = {"java", "gcloud", "redis-server", "valkey-server"}
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture(scope="session")
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH without Java and Redis, as on most machines."""
    folder = tmp_path_factory.mktemp("bin")
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            link = folder / program.name
            if program.name not in HIDDEN_PROGRAMS and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


@pytest.fixture
def bare_stranger(stranger: Stranger, bare_path: str) -> Stranger:
    """A machine with Python and little else."""
    stranger.environment["PATH"] = bare_path
    return stranger


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    stranger = Stranger(tmp_path)
    yield stranger
    stranger.kill_all()


def test_make_run_starts_stops_and_restarts_with_its_data(stranger: Stranger):
    running = stranger.make_run()
    assert f"Board       {stranger.url}/board" in running.output
    for _ in range(2):
        status, output = stranger.run("scripts/test_endpoints.sh")
        assert status == 0, output

    status, output = stranger.run("make", "run", PORT=str(free_port()))
    assert status != 0
    assert "already runs" in only_line(output)

    running.press_ctrl_c()
    assert not stranger.processes()

    again = stranger.make_run()
    status, output = stranger.run("scripts/test_endpoints.sh")
    assert status == 0, output
    assert "assignment 1\n" not in output, "the data of the first run is gone"
    again.child("worker").parent().terminate()
    again.wait_for_end()
    assert not stranger.processes()


def test_the_demo_needs_neither_java_nor_redis_and_shows_the_audit_trail(bare_stranger: Stranger):
    status, output = bare_stranger.run("make", "demo")
    assert status == 0, output
    assert "All of it works." in output
    trail = output[output.index("The audit trail") :]
    assert "ASSIGNED" in trail
    assert "LOAD_COMPLETED" in trail
    assert "/board and log in as" in " ".join(trail.split())
    assert not bare_stranger.processes()


def test_a_taken_port_is_reported_in_one_line(bare_stranger: Stranger):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", bare_stranger.port))
        listener.listen()
        status, output = bare_stranger.run("make", "run")
    assert status != 0
    assert f"port {bare_stranger.port}" in only_line(output)
    assert not bare_stranger.processes()


def test_an_unwritable_data_folder_is_reported_in_one_line(bare_stranger: Stranger):
    (bare_stranger.folder / "file").touch()
    status, output = bare_stranger.run("make", "run", BILLOR_HOME="file/home")
    assert status != 0
    assert "file/home" in only_line(output)


def test_a_data_folder_readable_by_others_is_made_private(bare_stranger: Stranger):
    home = bare_stranger.folder / "home"
    home.mkdir()
    home.chmod(0o755)
    (home / "secrets.env").touch(0o644)
    for told in (1, 0):
        _, output = bare_stranger.run("make", "run", BILLOR_HOME="home", PORT="none")
        assert output.count("only you can") == told
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "secrets.env").stat().st_mode & 0o777 == 0o600


def test_another_users_data_folder_is_refused_in_one_line(bare_stranger: Stranger):
    home = Path("/")
    if os.geteuid() == 0:
        home = bare_stranger.folder / "home"
        home.mkdir()
        os.chown(home, 65534, 65534)
    status, output = bare_stranger.run("make", "run", BILLOR_HOME=str(home))
    assert status != 0
    assert str(home) in only_line(output)
    assert "somebody else's" in only_line(output)
    assert list(home.iterdir()) == [] or home == Path("/")


@pytest.mark.slow
def test_everything_stops_when_its_terminal_is_closed(bare_stranger: Stranger):
    status, output = bare_stranger.run(sys.executable, "-c", IN_A_TERMINAL)
    assert status == 0, output
    wait_until(lambda: not bare_stranger.processes())


@pytest.mark.slow
def test_make_run_on_ipv6_prints_an_address_that_works(stranger: Stranger):
    for host in ("::1", "[::]"):
        running = stranger.make_run(BIND=host)
        (url,) = re.findall(r"^ +API +(\S+)$", running.output, re.MULTILINE)
        assert url == f"http://[::1]:{stranger.port}"
        assert f"BASE_URL={url} scripts/test_endpoints.sh" in running.output
        status, output = stranger.run("scripts/test_endpoints.sh", BASE_URL=url)
        assert status == 0, output
        running.press_ctrl_c()


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.1",
        pytest.param("2001:db8::1", marks=pytest.mark.slow),
        pytest.param("nowhere.invalid", marks=pytest.mark.slow),
    ],
)
def test_a_host_of_another_machine_is_reported_in_one_line(bare_stranger: Stranger, host: str):
    status, output = bare_stranger.run("make", "run", BIND=host)
    assert status != 0
    assert f"BIND {host} is no address of this machine" in only_line(output)
    assert not bare_stranger.processes()


def test_a_bad_setting_is_reported_in_one_line(bare_stranger: Stranger):
    status, output = bare_stranger.run("make", "run", DATABASE_POOL_SIZE="many")
    assert status != 0
    assert "DATABASE_POOL_SIZE" in only_line(output)


def test_production_with_the_demo_password_is_refused(bare_stranger: Stranger):
    status, output = bare_stranger.run("make", "run", BILLOR_ENV="production")
    assert status != 0
    assert "DEMO_PASSWORD" in only_line(output)
    assert not bare_stranger.processes()


@pytest.mark.slow
def test_services_without_a_url_are_started_and_one_death_stops_all(
    bare_stranger: Stranger, redis_url: str
):
    running = bare_stranger.make_run(REDIS_URL=redis_url)
    names = {process.name() for process in bare_stranger.processes()}
    assert "postgres" in names
    assert not [name for name in names if "valkey" in name or "redis" in name]

    running.child("worker").kill()
    output = running.wait_for_end()
    assert running.process.returncode != 0
    assert only_line(output).startswith("billor: worker stopped")
    assert not bare_stranger.processes()


@pytest.mark.slow
def test_processes_left_by_a_killed_launcher_are_stopped_by_the_next(bare_stranger: Stranger):
    running = bare_stranger.make_run()
    launcher = running.child("worker").parent()
    left = [process for process in bare_stranger.processes() if process.parent() == launcher]
    launcher.kill()
    Stranger.kill(running.process)
    assert len(left) == 4
    client = HttpClient(bare_stranger.port)
    for _ in range(3):  # their output has no reader now, which must not harm them
        assert client.get("/loads").status == 401
    client.close()
    assert not [process for process in left if process.status() == psutil.STATUS_ZOMBIE]
    again = bare_stranger.make_run()
    assert "left over" in again.output
    assert not [process for process in left if process.is_running()]
    again.press_ctrl_c()


def test_flask_without_a_database_says_in_one_line_what_to_do(bare_stranger: Stranger):
    status, output = bare_stranger.run(".venv/bin/flask", "routes")
    assert status == 1
    assert output == (
        "billor: DATABASE_URL is not set: start everything with `make run`, "
        "or set it (see .env.example).\n"
    )
