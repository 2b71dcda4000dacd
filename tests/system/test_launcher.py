"""`make run` and `make demo` on a fresh copy in an oddly named folder, on all sorts of machines.

The copy shares this project's .venv, so that nothing is installed again.
"""

import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from billor.config import DEFAULT_DEMO_PASSWORD
from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import accepts_connections, free_port
from tests.support.http import HttpClient
from tests.support.stranger import Stranger, only_line
from tests.support.worker import wait_until
from tests.system.test_examples import is_like

README = (PROJECT / "README.md").read_text()
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
DEAD = "http://127.0.0.1:1"
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def path_without(folder: Path, hidden: set[str]) -> str:
    """A PATH without some programs."""
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            link = folder / program.name
            if program.name not in hidden and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


@pytest.fixture(scope="session")
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH without Java and Redis, as on most machines."""
    return path_without(tmp_path_factory.mktemp("bin"), HIDDEN_PROGRAMS)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    """A machine as this one."""
    stranger = Stranger(tmp_path)
    yield stranger
    stranger.kill_all()


@pytest.fixture
def bare_stranger(stranger: Stranger, bare_path: str) -> Stranger:
    """A machine with Python and little else."""
    stranger.environment["PATH"] = bare_path
    return stranger


def test_make_run_starts_stops_and_restarts_with_its_data(stranger: Stranger):
    """The first commands of the README, and what it shows of their output."""
    start, ask, _work = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert start.endswith("cd billor && make run\n")
    running = stranger.make_run()
    assert "Billor is running.\n" in running.output, "something does not work"
    banner = re.search(r"```\n(  Billor is running.*?)```", README, re.DOTALL)[1]
    banner = banner.replace(":   scripts/", f":   BASE_URL={stranger.url} scripts/")
    for line in banner.splitlines():
        assert line.replace("8000", str(stranger.port)) in running.output
    status, output = stranger.run("bash", "-euc", ask.replace("8000", str(stranger.port)))
    assert status == 0, output
    (answers,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    for line, shown in zip(output.splitlines(), answers.splitlines(), strict=True):
        assert line == shown == "" or is_like(json.loads(line), json.loads(shown)), line
    status, output = stranger.run("scripts/test_endpoints.sh")
    assert status == 0, output

    status, output = stranger.run("make", "run", PORT=str(free_port()))
    assert status != 0
    assert "already runs" in only_line(output)

    assert "Stopping" in running.press_ctrl_c()
    assert not stranger.processes()
    assert {path.stat().st_mode & 0o077 for path in stranger.home.glob("logs/*")} == {0}

    again, client = stranger.make_run(), HttpClient(stranger.port)
    login = {"email": "demo@billor.example", "password": DEFAULT_DEMO_PASSWORD}
    client.token = client.post("/auth/login", login).body["access_token"]
    assert client.get("/assignments").body, "the data of the first run is gone"
    client.close()
    again.worker().parent().terminate()
    again.wait_for_end()
    assert not stranger.processes()


def test_the_demo_needs_neither_java_nor_redis(bare_stranger: Stranger):
    status, output = bare_stranger.run("make", "demo")
    assert status == 0, output
    assert "All of it works." in output
    assert "/board\nand log in as" in output
    assert not bare_stranger.processes()


REFUSED = [
    ({"DATABASE_URL": "sqlite:///db"}, "You have DATABASE_URL set to"),
    ({"BIND": "192.0.2.1"}, "cannot listen on 192.0.2.1:"),  # an address of another machine
    ({"BILLOR_HOME": "Makefile/home"}, "set BILLOR_HOME"),
]


def test_what_cannot_start_says_why_in_one_line(bare_stranger: Stranger):
    def refusal(*command: str, **environment: str) -> str:
        status, output = bare_stranger.run(*command or ("make", "run"), **environment)
        assert status != 0
        return only_line(output)

    for environment, reason in REFUSED:
        assert reason in refusal(**environment)
    with socket.create_server(("127.0.0.1", bare_stranger.port)):
        assert f"PORT={bare_stranger.port + 1} make run" in refusal()
    shutil.rmtree(bare_stranger.home)
    # No file may be larger than 15 MB, which initdb reports like a full disk.
    line = refusal("bash", "-c", "ulimit -f 15000; .venv/bin/python scripts/run.py")
    assert re.search(r"PostgreSQL cannot set up .*: .*(could not|File too large)", line)
    assert not bare_stranger.processes()
    if os.geteuid() == 0:
        shutil.rmtree(bare_stranger.home)
        bare_stranger.home.mkdir()
        os.chown(bare_stranger.home, 65534, 65534)
        assert "belongs to another user" in refusal()
        assert list(bare_stranger.home.iterdir()) == []


def handles_sigterm(stranger: Stranger) -> bool:
    """Whether the launcher has begun: Python itself handles only Ctrl-C, with a traceback."""
    with suppress(psutil.Error, OSError):  # a process ends meanwhile
        launchers = [each for each in stranger.processes() if "scripts/run.py" in each.cmdline()]
        states = "".join(Path(f"/proc/{each.pid}/status").read_text() for each in launchers)
        masks = re.findall(r"SigCgt:\t(\w+)", states)
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only there the launcher's state is known")
def test_ctrl_c_at_any_time_leaves_one_line_and_no_process(bare_stranger: Stranger):
    """While services start, and while the launcher is imported."""
    logs = bare_stranger.home / "logs"
    for is_reached in (logs.exists, lambda: handles_sigterm(bare_stranger)):
        process = bare_stranger.start("make", "run")
        wait_until(is_reached, seconds=90)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert "Traceback" not in output
        wait_until(lambda: not bare_stranger.processes())


def test_a_reader_that_ends_brings_no_traceback(bare_stranger: Stranger):
    process = bare_stranger.start(
        "bash", "-c", "make run 2>&1 | head -n 2; echo head has ended >&2"
    )
    wait_until(lambda: accepts_connections(bare_stranger.port), seconds=90)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output
    wait_until(lambda: not bare_stranger.processes())


ODD = {
    "LC_ALL": "xx_XX.UTF-8",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), DEAD),
    # Settings of other projects; in `odd` there is another flask.py.
    "PYTHONPATH": "odd",
    "PYTHONWARNINGS": "error",
    "HOST": "x86_64-conda-linux-gnu",
    "LOG_LEVEL": "info",
    "METRICS_TOKEN": "a-token-that-ends-in-a-line\n",
}


@pytest.mark.slow
def test_everything_works_on_an_odd_machine(stranger: Stranger):
    (stranger.folder / "odd").mkdir()
    (stranger.folder / "odd" / "flask.py").write_text("raise RuntimeError('another flask')")
    running = stranger.make_run(**ODD)
    assert "Billor is running.\n" in running.output
    status, output = stranger.run("scripts/test_endpoints.sh", **ODD)
    assert status == 0, output
    status, output = stranger.run(".venv/bin/flask", "seed", LC_ALL=ODD["LC_ALL"])
    assert status == 0, output
    running.press_ctrl_c()
    assert not stranger.processes()


@pytest.mark.slow
def test_degraded_is_running_and_the_banner_says_what_is_away(bare_stranger):
    bare_stranger.home.mkdir()
    (bare_stranger.home / "audit.sqlite3").write_bytes(b"this is no database " * 500)
    nonsense = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "nonsense")
    nonsense |= {"AWS_ENDPOINT_URL": "nonsense", "DOCUMENTS_URL": "s3://nonsense"}
    running = bare_stranger.make_run(REDIS_URL="redis://127.0.0.1:1/0", **nonsense)
    assert re.search(r"Billor is running\. But .*Redis is away", running.output)
    for store in ("audit", "document"):
        assert f"the {store} store is away" in running.output
    running.press_ctrl_c()


@pytest.mark.slow
def test_everything_stops_when_its_terminal_is_closed(bare_stranger: Stranger):
    status, output = bare_stranger.run(sys.executable, "-c", IN_A_TERMINAL)
    assert status == 0, output
    wait_until(lambda: not bare_stranger.processes())


@pytest.mark.slow
def test_make_run_on_ipv6_prints_an_address_that_works(stranger: Stranger):
    running = stranger.make_run(BIND="[::]", http_proxy=DEAD)
    (url,) = re.findall(r"^ +API +(\S+)$", running.output, re.MULTILINE)
    assert url == f"http://[::1]:{stranger.port}"
    assert f"BASE_URL={url} scripts/test_endpoints.sh" in running.output
    status, output = stranger.run("scripts/test_endpoints.sh", BASE_URL=url)
    assert status == 0, output
    running.press_ctrl_c()


@pytest.mark.slow
def test_services_without_a_url_are_started_and_one_death_stops_all(
    bare_stranger: Stranger, redis_url: str
):
    running = bare_stranger.make_run(REDIS_URL=redis_url)
    names = {process.name() for process in bare_stranger.processes()}
    assert "postgres" in names
    assert not [name for name in names if "valkey" in name or "redis" in name]

    running.worker().kill()
    output = running.wait_for_end()
    assert running.process.returncode != 0
    assert only_line(output).startswith("billor: worker stopped")
    assert not bare_stranger.processes()


@pytest.mark.slow
def test_processes_left_by_a_killed_launcher_are_stopped_by_the_next(bare_stranger: Stranger):
    running = bare_stranger.make_run()
    launcher = running.worker().parent()
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
