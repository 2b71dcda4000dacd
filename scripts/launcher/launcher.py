"""Starts each service that has no URL, then the API and the worker; stops what it started."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, NoReturn
from urllib.request import urlopen

import psutil
from dotenv import dotenv_values, set_key
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

import billor
from billor import create_app
from billor.cli.seed import seed_database
from billor.config import SERVICES_FILE, Config, ConfigError, load_config, read_environment
from billor.database import upgrade
from billor.errors import BillorError
from billor.models import db
from billor.observe.logs import first_line
from billor.worker.main import HEARTBEAT_FILE
from scripts.launcher import STOP_SIGNALS, handle_stop_signals, services
from scripts.launcher.processes import Child, Program, StartFailed, say

PROJECT = Path(billor.__file__).parent.parent
POLL_SECONDS = 0.2
SETTLE_SECONDS = 10
LABELS = {
    "redis": "Redis is",
    "events": "events are",
    "audit": "the audit store is",
    "documents": "the document store is",
}
KEYS = ("JWT_SECRET_KEY", "PUSH_PRIVATE_KEY")
SECRETS = (*KEYS, "POSTGRESQL_PASSWORD", "POSTGRESQL_APP_PASSWORD")
# With a bound, glibc gives back the memory of uploads: 40 MB of each process.
PROCESS_SETTINGS = {"PYTHONUNBUFFERED": "1", "MALLOC_TRIM_THRESHOLD_": "1048576"}
DEFAULT_URL = "http://127.0.0.1:8000"  # of the endpoint script
MIGRATION_MISSING = (
    "the models differ from the database. Stash your change, `make run`, and unstash it; then make "
    "its migration with `.venv/bin/flask db migrate -m MESSAGE`"
)
BANNER = """
  Billor is running.{degraded}

    Board       {url}/board
    API         {url}
    Docs        {url}/docs
    Log in as   {config.demo_email} / {config.demo_password}
    Events      {bus} → audit documents in {store}
    Data        {config.home}

  Try, in a second terminal:   {base_url}scripts/test_endpoints.sh
  Stop with Ctrl-C; the data stays.
"""
AFTER_DEMO = """
See and do all of this yourself: `make run`, then open {url}/board
and log in as {config.demo_email} / {config.demo_password}."""


class Stopped(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM."""


def main(arguments: list[str]) -> int:
    """Run or demonstrate the whole system; return the exit status."""
    os.umask(0o077)  # logs, secrets and data are their owner's
    # Requests to this machine never use a proxy.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = f"{os.environ.get(name, '')},127.0.0.1,localhost,::1,[::1]".lstrip(",")
    launcher = Launcher()
    try:
        if arguments == ["demo"]:
            return launcher.demo()
        launcher.run()
    except (ConfigError, StartFailed) as error:
        print(f"billor: {error}", file=sys.stderr)
    except shutil.Error as error:  # it has an error per file
        print(f"billor: {error.args[0][0][-1]}.", file=sys.stderr)
    except OSError as error:  # a full disk, a folder of another user
        print(f"billor: {error}.", file=sys.stderr)
    except Stopped:
        say("\nStopping …")
        return 130 if arguments == ["demo"] else 0
    finally:
        launcher.stop()
    return 1


class Launcher:
    """One run of the whole system, with its data in BILLOR_HOME."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._settings: dict[str, str] = {}
        self._home = Path()
        self._lock: IO[str] | None = None
        self._stop_requested = False
        handle_stop_signals(self._on_signal)

    def run(self) -> NoReturn:
        """Run in the foreground until a process dies or we are stopped. Raises `Stopped`."""
        config = self._start()
        say(_banner(config, _problems(config) or []))
        for child in self._ours:
            child.loud = True
        self._watch()

    def demo(self) -> int:
        """Start, run the endpoint script, stop."""
        for program in ("bash", "curl"):
            if shutil.which(program) is None:
                raise StartFailed(f"the demo needs {program}: install it, or try `make run`.")
        has_port = "PORT" in read_environment()
        if not has_port:
            os.environ["PORT"] = str(services.free_port())
        config = self._start()
        url = config.local_url
        demo = {"DEMO_EMAIL": config.demo_email, "DEMO_PASSWORD": config.demo_password}
        script = subprocess.Popen(
            [str(PROJECT / "scripts/test_endpoints.sh")],
            env={**os.environ, **demo, "BASE_URL": url},
        )
        while (status := script.poll()) is None:
            self._pause(POLL_SECONDS)
        if status == 0:
            say(AFTER_DEMO.format(url=url if has_port else DEFAULT_URL, config=config))
        return status

    def stop(self) -> None:
        """Stop the API and the worker, then their services, ignoring further signals."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        rest = [child for child in self._children if child not in self._ours]
        for group in (self._ours, rest):
            for child in group:
                child.request_stop()
            for child in group:
                child.stop()
        if self._lock is not None:
            (self._home / SERVICES_FILE).unlink(missing_ok=True)
            (self._home / "children.json").unlink(missing_ok=True)
            self._lock.close()

    @property
    def _ours(self) -> list[Child]:
        """The children that are Billor itself."""
        return [child for child in self._children if child.program.name in ("api", "worker")]

    def _on_signal(self, *_) -> None:
        """Stop at the next pause, or at once after a second signal.

        An exception within `Popen.poll` would leave its lock taken; within `_spawn`, a child that
        nobody stops.
        """
        if self._stop_requested:
            raise Stopped
        self._stop_requested = True

    def _pause(self, seconds: float) -> None:
        """Wait. Raises `Stopped`."""
        time.sleep(seconds)
        if self._stop_requested:
            raise Stopped

    def _start(self) -> Config:
        """Start everything."""
        self._lock_home(Path(read_environment().get("BILLOR_HOME", ".billor")).absolute())
        variables = read_environment()  # again: a killed launcher's services file is gone
        programs = self._choose_services(variables)
        config = load_config({**variables, **self._settings})
        _check_port(config)
        for child in [self._spawn(program) for program in programs]:
            self._await(child)
        for name, value in self._settings.items():
            set_key(self._home / SERVICES_FILE, name, value)
        with _timed("Migrating and seeding the database"):
            _migrate_and_seed(config)
            self._pause(0)
        self._start_billor(config)
        return config

    def _lock_home(self, home: Path) -> None:
        """Lock the data folder, and stop processes that a killed launcher left running."""
        try:
            home.mkdir(parents=True, exist_ok=True)
            if home.stat().st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to another user")
            home.chmod(0o700)
            self._lock = (home / "lock").open("a", encoding="utf-8")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock = None
            raise StartFailed(
                f"Billor already runs with the data in {home}: stop it, or set another BILLOR_HOME "
                "and PORT."
            ) from error
        except OSError as error:
            raise StartFailed(
                f"the data folder {home} cannot be used ({error.strerror}): set BILLOR_HOME to "
                "another one."
            ) from error
        self._home = home
        (home / SERVICES_FILE).unlink(missing_ok=True)
        _stop_leftovers(home / "children.json")

    def _choose_services(self, variables: Mapping[str, str]) -> list[Program]:
        """Return the services to start; collect their settings and this home's secrets."""
        home, kept = self._home, _secrets_of(self._home / "secrets.env")
        self._settings = {name: kept[name] for name in KEYS if name not in variables}
        self._settings["BILLOR_HOME"] = str(home)
        programs = []
        if "REDIS_URL" not in variables:
            programs.append(services.redis(home / "redis"))
        if "PUBSUB_PROJECT_ID" not in variables and (emulator := services.pubsub_emulator()):
            programs.append(emulator)
        if "DATABASE_URL" not in variables:
            passwords = kept["POSTGRESQL_PASSWORD"], kept["POSTGRESQL_APP_PASSWORD"]
            programs.append(services.postgresql(home / "postgresql", *passwords))
        for program in programs:
            self._settings |= program.settings
        return programs

    def _start_billor(self, config: Config) -> None:
        """Start the API and the worker. The API may be ready while something else is not."""
        (self._home / HEARTBEAT_FILE).unlink(missing_ok=True)
        deadline = time.monotonic() + SETTLE_SECONDS
        program = partial(
            Program,
            environment={**os.environ, **self._settings, **PROCESS_SETTINGS},
            folder=PROJECT,
        )
        api = program(
            name="api",
            argv=[sys.executable, "-m", "gunicorn", "wsgi:app"],
            is_ready=lambda: _problems(config) is not None,
        )
        worker = program(
            name="worker",
            argv=[sys.executable, "worker.py"],
            is_ready=lambda: not _problems(config) or time.monotonic() > deadline,
        )
        for child in [self._spawn(api), self._spawn(worker)]:
            self._await(child)

    def _spawn(self, program: Program) -> Child:
        child = Child(program, self._home / "logs")
        self._children.append(child)
        with suppress(psutil.NoSuchProcess):
            processes = [psutil.Process(child.process.pid) for child in self._children]
            record = [[process.pid, process.create_time()] for process in processes]
            (self._home / "children.json").write_text(json.dumps(record), encoding="utf-8")
        return child

    def _await(self, child: Child) -> None:
        with _timed(f"Starting {child.program.name}"):
            child.wait_until_ready(self._pause)

    def _watch(self) -> NoReturn:
        """Watch all processes. Raises `StartFailed` if one dies, and `Stopped`."""
        was_in_foreground: bool | None = False
        while True:
            is_in_foreground = _is_in_foreground()
            # The terminal was closed. `make`, if it ran there, passes no signal on.
            if was_in_foreground and is_in_foreground is None:
                raise Stopped
            was_in_foreground = is_in_foreground
            for child in self._children:
                if (status := child.process.poll()) is not None:
                    raise StartFailed(
                        f"{child.program.name} exited with status {status}, so everything stops. "
                        f"Its log: {child.log_file}"
                    )
            self._pause(POLL_SECONDS)


@contextmanager
def _timed(step: str) -> Iterator[None]:
    """Print a step, and how long it took."""
    say(f"  {step} … ", end="")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - started:.1f} s")


def _is_in_foreground() -> bool | None:
    """Return whether we run in the terminal's foreground, or None without a terminal."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return None


def _migrate_and_seed(config: Config) -> None:
    """Do what `flask db upgrade` and `flask seed` do, without two more Python processes."""
    app = create_app(config)
    with app.app_context():
        try:
            upgrade()
            _seed(config)
        except SQLAlchemyError as error:
            reason = first_line(str(error.__cause__ or error))
            raise StartFailed(f"the database cannot be migrated: {reason}") from error
        except BillorError as error:
            raise StartFailed(str(error)) from error
        finally:
            db.session.close()
            db.engine.dispose()


def _seed(config: Config) -> None:
    try:
        seed_database(config)
    except ProgrammingError as error:  # an undefined column or table
        reason = first_line(str(error.__cause__ or error))
        raise StartFailed(f"{MIGRATION_MISSING}: {reason}") from error


def _stop_leftovers(record: Path) -> None:
    """Stop processes that a killed launcher left running, identified by pid and start time."""
    if not record.exists():
        return
    leftovers = []
    for pid, created in json.loads(record.read_text(encoding="utf-8")):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created:
                process.send_signal(signal.SIGINT)  # fast shutdown of PostgreSQL
                leftovers.append(process)
    if leftovers:
        say(f"  Stopping {len(leftovers)} processes left over from a killed run …")
    for process in psutil.wait_procs(leftovers, timeout=15)[1]:
        process.kill()
    record.unlink()


def _secrets_of(path: Path) -> dict[str, str]:
    """Return the secrets of this data folder, each generated on first use."""
    for name in SECRETS:
        if not dotenv_values(path).get(name):
            set_key(path, name, secrets.token_urlsafe(32))
    return {name: value or "" for name, value in dotenv_values(path).items()}


def _check_port(config: Config) -> None:
    family = socket.AF_INET6 if ":" in config.bind else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.bind, config.port))
        except OSError as error:
            raise StartFailed(
                f"cannot listen on {config.address} ({error.strerror}): set BIND or PORT, e.g. "
                f"`PORT={config.port + 1} make run`."
            ) from error


def _problems(config: Config) -> list[str] | None:
    """Return what does not work yet, or None while the API does not answer."""
    try:
        with urlopen(f"{config.local_url}/readyz", timeout=5) as response:
            states = json.load(response)["dependencies"]
    except (OSError, ValueError):
        return None
    found = [f"{LABELS[name]} {state}" for name, state in states.items() if state != "ok"]
    has_worker = (config.home / HEARTBEAT_FILE).exists()
    return found if has_worker else [*found, "the worker has not started"]


def _bus(config: Config) -> str:
    if config.pubsub_emulator_host:
        return "Pub/Sub emulator (open to all users of this machine)"
    return "Pub/Sub" if config.pubsub_project_id else "in-process bus"


def _banner(config: Config, problems: list[str]) -> str:
    url = config.local_url
    return BANNER.format(
        url=url,
        config=config,
        base_url="" if url == DEFAULT_URL else f"BASE_URL={url} ",
        bus=_bus(config),
        store="CouchDB" if config.couchdb_url else "SQLite",
        degraded=f" But {', '.join(problems)}: see {config.home}/logs." if problems else "",
    )
