"""Starts every service without a URL, then the API and the worker; stops all it started."""

import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import psutil
from dotenv import dotenv_values
from sqlalchemy.exc import SQLAlchemyError

import billor
from billor import create_app
from billor.cli.seed import SeedRefused, seed_database
from billor.config import SERVICES_FILE, Config, load_config, read_environment
from billor.embedded import services
from billor.embedded.processes import Child, Program, StartFailed, write_private
from billor.errors import BillorError
from billor.extensions import db
from billor.logs import first_line
from billor.revisions import upgrade
from billor.worker.main import HEARTBEAT_FILE

PROJECT = Path(billor.__file__).parent.parent
POLL_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECRETS = ("JWT_SECRET_KEY", "POSTGRESQL_PASSWORD", "POSTGRESQL_APP_PASSWORD")
ENDPOINT_SCRIPT = "scripts/test_endpoints.sh"
DEFAULT_URL = "http://127.0.0.1:8000"  # of that script
WHERE_TO_LOOK = """See and do all of this yourself: `make run`, then open {url}/board
and log in as {config.demo_email} / {config.demo_password}.
"""
# Nothing can connect to all addresses of a machine.
LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class Stopped(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM."""


class Launcher:
    """One run of the whole system, with its data in BILLOR_HOME."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._settings: dict[str, str] = {}
        self._lock: IO[str] | None = None
        self._stop_requested = False
        self._is_interruptible = False

    def run(self) -> int:
        """Run in the foreground until stopped or until a part dies; return the exit status."""
        try:
            config = self._start()
            print(_banner(config), flush=True)
            for child in self._ours:
                child.loud = True
            return self._watch()
        except Stopped:
            print("\nStopping …", flush=True)
            return 0
        finally:
            self._stop()

    def demo(self) -> int:
        """Start, run the endpoint script, show the audit trail it left, stop."""
        environment = read_environment()
        if "PORT" not in environment:
            os.environ["PORT"] = str(services.free_port())
        try:
            config = self._start()
            url = _url(config)
            later = url if "PORT" in environment else DEFAULT_URL
            with self._interruptible():
                script = _run_endpoint_script(url, config)
                if script.returncode == 0:
                    _show_audit_trail(url, config)
                    print(WHERE_TO_LOOK.format(url=later, config=config), flush=True)
        except Stopped:
            return 130
        else:
            return script.returncode
        finally:
            self._stop()

    @property
    def _ours(self) -> list[Child]:
        """The children that are Billor itself."""
        return [child for child in self._children if child.program.name in ("api", "worker")]

    def _on_signal(self, *_) -> None:
        """Stop at the next pause, or at once.

        What is raised in the middle of `Popen.poll` leaves a lock taken, for which `_stop` would
        wait for ever, and in that of `_spawn` a child that nobody stops.
        """
        is_first, self._stop_requested = not self._stop_requested, True
        if is_first and self._is_interruptible:
            raise Stopped

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Stop at once in the block, which takes long. Raises `Stopped`."""
        self._is_interruptible = True
        try:
            self._pause(0)
            yield
        finally:
            self._is_interruptible = False

    def _pause(self, seconds: float) -> None:
        """Wait. Raises `Stopped`."""
        time.sleep(seconds)
        if self._stop_requested:
            raise Stopped

    def _start(self) -> Config:
        config = self._start_embedded(_check_port)
        with self._interruptible():
            self._step("Migrating and seeding the database", lambda: _migrate_and_seed(config))
        self._start_billor(config.home, config)
        return config

    def _start_embedded(self, check: Callable[[Config], None] = lambda _: None) -> Config:
        """Start the services without a URL, if the `check` of the settings does not raise."""
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
                signal.signal(number, self._on_signal)
        variables = read_environment()
        home = Path(variables.get("BILLOR_HOME", ".billor")).absolute()
        self._lock_home(home)
        variables = read_environment()  # now without the services file of a killed launcher
        programs = self._choose_services(home, variables)
        config = load_config({**variables, **self._settings})
        check(config)
        self._start_services(home, programs)
        write_private(home / SERVICES_FILE, _as_env_file(self._settings))
        return config

    def _lock_home(self, home: Path) -> None:
        """Lock the data folder, and stop processes that a killed launcher left running."""
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(home)
            lock = (home / "lock").open("a")
        except OSError as error:
            raise StartFailed(
                f"the data folder {home} cannot be written ({error.strerror}): "
                "set BILLOR_HOME to another one."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise StartFailed(
                f"Billor already runs with the data in {home}: stop it, or set another BILLOR_HOME "
                "and PORT."
            ) from error
        self._home, self._lock = home, lock
        (home / SERVICES_FILE).unlink(missing_ok=True)
        _stop_leftovers(home / "children.json")

    def _choose_services(self, home: Path, variables: Mapping[str, str]) -> list[Program]:
        """Return the services to start; collect their settings and this home's secrets."""
        kept = _secrets_of(home / "secrets.env")
        self._settings = {"BILLOR_HOME": str(home)}
        if "JWT_SECRET_KEY" not in variables:
            self._settings["JWT_SECRET_KEY"] = kept["JWT_SECRET_KEY"]
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

    def _start_services(self, home: Path, programs: list[Program]) -> None:
        children = [self._spawn(home, program) for program in programs]
        for child in children:
            self._await(f"Starting {child.program.name}", child)

    def _start_billor(self, home: Path, config: Config) -> None:
        environment = {**os.environ, **self._settings, "PYTHONUNBUFFERED": "1"}
        heartbeat = home / HEARTBEAT_FILE
        heartbeat.unlink(missing_ok=True)
        worker = Program(
            name="worker",
            argv=[sys.executable, "worker.py"],
            environment=environment,
            folder=PROJECT,
            is_ready=heartbeat.exists,
        )
        api = Program(
            name="api",
            argv=[sys.executable, "-m", "gunicorn", "wsgi:app"],
            environment=environment,
            folder=PROJECT,
            is_ready=lambda: _is_ready(f"{_url(config)}/readyz"),
        )
        for child in [self._spawn(home, program) for program in (worker, api)]:
            self._await(f"Starting the {child.program.name}", child)

    def _spawn(self, home: Path, program: Program) -> Child:
        child = Child(program, home / "logs")
        self._children.append(child)
        with suppress(psutil.NoSuchProcess):
            processes = [psutil.Process(child.process.pid) for child in self._children]
            write_private(
                home / "children.json",
                json.dumps([[process.pid, process.create_time()] for process in processes]),
            )
        return child

    def _step(self, name: str, action: Callable[[], None]) -> None:
        print(f"  {name} … ", end="", flush=True)
        started = time.monotonic()
        try:
            action()
        except BaseException:
            print("", flush=True)
            raise
        print(f"{time.monotonic() - started:.1f} s", flush=True)

    def _await(self, name: str, child: Child) -> None:
        self._step(name, lambda: child.wait_until_ready(self._pause))

    def _watch(self) -> int:
        was_in_foreground: bool | None = False
        while True:
            is_in_foreground = _is_in_foreground()
            # Its window was closed. `make`, if that is what the window ran, passes no signal on.
            if was_in_foreground and is_in_foreground is None:
                raise Stopped
            was_in_foreground = is_in_foreground
            for child in self._children:
                status = child.process.poll()
                if status is not None:
                    raise StartFailed(
                        f"{child.program.name} stopped by itself (status {status}), so all of it "
                        f"stops. Its log: {child.log_file}"
                    )
            self._pause(POLL_SECONDS)

    def _stop(self) -> None:
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


def _is_in_foreground() -> bool | None:
    """Return whether we are what the terminal shows, or None without a terminal."""
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
            seed_database(config)
        except SQLAlchemyError as error:
            reason = first_line(str(error.__cause__ or error))
            raise StartFailed(f"the database cannot be migrated: {reason}") from error
        except (SeedRefused, BillorError) as error:
            raise StartFailed(str(error)) from error
        finally:
            db.engine.dispose()


def _stop_leftovers(record: Path) -> None:
    """Stop processes that a killed launcher left running, identified by pid and start time."""
    if not record.exists():
        return
    leftovers = []
    for pid, created in json.loads(record.read_text()):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created:
                process.send_signal(signal.SIGINT)  # fast shutdown of PostgreSQL
                leftovers.append(process)
    if leftovers:
        print(f"  Stopping {len(leftovers)} processes left over from a killed run …", flush=True)
    for process in psutil.wait_procs(leftovers, timeout=15)[1]:
        process.kill()
    record.unlink()


def _make_private(home: Path) -> None:
    """Deny others access to a data folder. Raises `StartFailed` if another user owns it."""
    status = home.stat()
    if status.st_uid != os.geteuid():
        raise StartFailed(f"the data folder {home} is somebody else's: set BILLOR_HOME to another.")
    if status.st_mode & 0o077:
        home.chmod(0o700)
        print(f"  Others could look into {home}; now only you can.", flush=True)


def _secrets_of(path: Path) -> dict[str, str]:
    """Return the secrets of this data folder, each generated on first use."""
    made = {name: secrets.token_urlsafe(32) for name in SECRETS}
    kept = made | {name: value or "" for name, value in dotenv_values(path).items()}
    write_private(path, _as_env_file(kept))
    return kept


def _as_env_file(variables: Mapping[str, str]) -> str:
    return "".join(f"{name}='{value}'\n" for name, value in variables.items())


def _check_port(config: Config) -> None:
    family = socket.AF_INET6 if ":" in config.bind else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.bind, config.port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise StartFailed(
                    f"BIND {config.bind} is no address of this machine ({error.strerror}): "
                    "set it to one, e.g. 127.0.0.1 or ::1."
                ) from error
            raise StartFailed(
                f"port {config.port} cannot be used ({error.strerror}): "
                f"try another one, e.g. `PORT={config.port + 1} make run`."
            ) from error


def _url(config: Config) -> str:
    """Return the API's URL on this machine."""
    return f"http://{replace(config, bind=LOOPBACK_OF.get(config.bind, config.bind)).address}"


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)["status"] == "ok"
    except (OSError, ValueError):
        return False


def _run_endpoint_script(url: str, config: Config) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(PROJECT / ENDPOINT_SCRIPT)],
        env={
            **os.environ,
            "BASE_URL": url,
            "DEMO_EMAIL": config.demo_email,
            "DEMO_PASSWORD": config.demo_password,
        },
        check=False,
    )


def _show_audit_trail(url: str, config: Config) -> None:
    """Print the newest audit documents, as the API returns them."""
    credentials = json.dumps({"email": config.demo_email, "password": config.demo_password})
    token = _request(f"{url}/auth/login", credentials.encode())["access_token"]
    print("\nThe audit trail, as the worker recorded it (GET /audit?limit=8), newest first:\n")
    for document in _request(f"{url}/audit?limit=8", token=token):
        driver = document["payload"].get("driver", {}).get("name", "")
        load = document["payload"].get("load")  # events of drivers have none
        about = load and f"load {load['id']:<4} {load['origin']} → {load['destination']}  "
        print(f"  {document['timestamp'][11:19]}  {document['type']:<20} {about or ''}{driver}")
    print(flush=True)


def _request(url: str, body: bytes | None = None, token: str | None = None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def _banner(config: Config) -> str:
    url = _url(config)
    base_url = "" if url == DEFAULT_URL else f"BASE_URL={url} "
    bus = "Pub/Sub" if config.pubsub_project_id else "in-process bus"
    store = "CouchDB" if config.couchdb_url else "SQLite"
    return f"""
  Billor is running.

    Board       {url}/board
    API         {url}
    Docs        {url}/docs
    Log in as   {config.demo_email} / {config.demo_password}
    Events      {bus} → audit documents in {store}
    Data        {config.home}

  Try, in a second terminal:   {base_url}scripts/test_endpoints.sh
  Stop with Ctrl-C; the data stays.
"""
