"""Billor as in production, for fault injection.

API and workers are processes of their own, over services that can be hung, killed and restarted.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import select, text

from billor import create_app
from billor.cache import cache
from billor.config import load_config
from billor.database import upgrade
from billor.events.event import to_document
from billor.models import DeadLetter, LoadEvent, db
from scripts.launcher import services
from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import Child, Program, free_port
from tests.support.apps import close_connections
from tests.support.bus import own_topic
from tests.support.couchdb_server import FakeCouchDB
from tests.support.databases import ADMIN_PASSWORD, run_sql
from tests.support.http import HttpClient, Reply
from tests.support.users import make_user
from tests.support.worker import STOP_SECONDS, python_environment, wait_until

WORKER = str(PROJECT / "worker.py")
RESTART_SECONDS = 0.2
CONVERGE_SECONDS = 60
CLIENTS = 20
"""The simultaneous clients that keep several processes busy."""
# Appends each page to a file, and goes on after the last event in it.
READER = """
import http.client, json, pathlib, sys, time
port, token, file = int(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
while True:
    try:
        known = file.read_text().split() if file.exists() else []
        after = f"&after={known[-1]}" if known else ""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", f"/events?limit=20{after}", headers=headers)
        answer = connection.getresponse()
        page = json.loads(answer.read()) if answer.status == 200 else []
        with file.open("a") as output:
            output.write("".join(f"{event['id']}\\n" for event in page))
    except (OSError, http.client.HTTPException):
        page = []
    time.sleep(0 if page else 0.1)
"""
IMPATIENT = """
from billor.api import server
server.CLIENT_SECONDS = 1
server.BODY_SECONDS = 3
Worker = server.BillorWorker
"""


class Service:
    """A backing service in a process of its own, always at the same address."""

    def __init__(self, program: Program, folder: Path):
        self.settings = dict(program.settings)
        self._program = program
        self._folder = folder
        self.start()

    @property
    def log_file(self) -> Path:
        return self._child.log_file

    @property
    def pid(self) -> int:
        return self._child.process.pid

    def start(self) -> None:
        self._child = Child(self._program, self._folder)
        self._child.wait_until_ready()

    def stop(self) -> None:
        self._child.stop()

    def kill(self) -> None:
        os.killpg(self._child.process.pid, signal.SIGKILL)
        self._child.stop()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Kill it, and start it again after the block."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Suspend it: the kernel accepts connections, and none is answered."""
        main = psutil.Process(self._child.process.pid)
        processes = [main, *main.children(recursive=True)]  # PostgreSQL's have their own groups
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()


def start_postgresql(folder: Path) -> Service:
    """Start a migrated PostgreSQL."""
    program = services.postgresql(folder / "data", ADMIN_PASSWORD, "test-password", durable=False)
    service = Service(program, folder)
    migrate(service.settings["DATABASE_URL"])
    return service


def migrate(url: str) -> None:
    """Migrate this database."""
    app = create_app(load_config({"DATABASE_URL": url, "JWT_SECRET_KEY": "unused" * 6}))
    with app.app_context():
        upgrade()
    close_connections(app)


class Process:
    """One of our programs, its output in a file."""

    def __init__(self, name: str, argv: list[str], environment: Mapping[str, str], folder: Path):
        self.log_file = folder / f"{name}.log"
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                cwd=folder,  # where no `.env` of a developer is read
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        return self.log_file.read_text()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children()

    def send(self, signal_number: signal.Signals) -> None:
        self._process.send_signal(signal_number)

    def kill(self) -> None:
        """Kill it and its children with SIGKILL."""
        if not self.has_ended:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Return the exit status; after the timeout, fail with the stack of each thread."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGABRT)  # faulthandler writes the stacks
            self._process.wait()
            pytest.fail(f"Still running after {seconds} s:\n{self.output}")

    def terminate(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.send(signal.SIGTERM)
        return self.wait()


class Supervised:
    """A program that is started again whenever it ends, as containers are."""

    def __init__(self, start: Callable[[], Process]):
        self._start = start
        self._stopping = Event()
        self.statuses: list[int] = []
        self.process = start()
        self._thread = Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Kill the current process; another takes its place."""
        self.process.kill()

    def terminate(self) -> None:
        """Send SIGTERM to the current process; another takes its place."""
        self.process.send(signal.SIGTERM)

    def start_no_more(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        self._thread.join(STOP_SECONDS)

    def _supervise(self) -> None:
        while True:
            self.statuses.append(self.process.wait(None))
            if self._stopping.wait(RESTART_SECONDS):
                return
            self.process = self._start()
            if self._stopping.is_set():  # meanwhile
                self.process.send(signal.SIGTERM)


def empty_tables() -> None:
    """Empty all tables and Redis, and begin with the first ids again."""
    tables = ", ".join(db.metadata.tables)
    db.session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
    db.session.commit()
    cache.cache.client.flushdb()


def let_time_pass(app: Flask) -> None:
    """Make all events older than the time in which a dispatcher may undo a mistake."""
    run_sql(app, "UPDATE load_events SET created_at = created_at - interval '1 minute'")


class System:
    """API and workers over one set of services, on empty tables."""

    def __init__(self, settings: Mapping[str, str], folder: Path, compiled: Path):
        """`settings` name the services; `compiled` keeps bytecode, if nothing else does."""
        self.couch = FakeCouchDB()
        self.folder = folder
        self.settings = {
            **settings,
            **own_topic(),
            "BILLOR_HOME": str(folder / "home"),
            "JWT_SECRET_KEY": "a-key-for-tests-only-0123456789abcdef",
            "COUCHDB_URL": self.couch.url,
        }
        self._compiled = compiled
        self._running: list[Process] = []
        self._numbers = count(1)
        self._supervised: list[Supervised] = []
        self._clients: list[HttpClient] = []
        self.app: Flask = create_app(load_config(self.settings))
        """Access to the same data from this process."""

    def __enter__(self) -> "System":
        self.couch.__enter__()
        (self.folder / "home").mkdir()
        self.empty()
        return self

    def empty(self) -> None:
        """Empty all tables and Redis, but for the one user that clients are."""
        with self.app.app_context():
            empty_tables()
            user = make_user("Dana", "dana@billor.example")
            self.token = create_access_token(str(user.id))
            db.session.remove()

    def __exit__(self, *_) -> None:
        self.couch.mend()
        for client in self._clients:
            client.close()
        for supervised in self._supervised:
            supervised.start_no_more()
        self._kill_all()
        for supervised in self._supervised:
            supervised.join()
        self._kill_all()  # processes started meanwhile
        self.couch.__exit__()
        close_connections(self.app)

    def _kill_all(self) -> None:
        for process in list(self._running):
            process.kill()

    def start_api(
        self, workers: int = 2, port: int | None = None, app: str = "wsgi:app", **settings: str
    ) -> "Api":
        """Start gunicorn, and wait until it answers."""
        port = port or free_port()
        more = {"PORT": str(port), "WEB_WORKERS": str(workers), **settings}
        configuration = f"--config={PROJECT / 'gunicorn.conf.py'}"
        argv = [sys.executable, "-m", "gunicorn", configuration, app]
        api = Api(f"api-{port}", argv, self._environment(more), self.folder)
        self._running.append(api)
        api.client = self.connect(port)
        wait_until(api.answers)
        return api

    def start_whole_api(self, workers: int) -> "Api":
        """The same, and wait until all its processes serve."""
        api = self.start_api(workers)
        self.wait_for_all_processes(api)
        return api

    def start_impatient_api(self) -> "Api":
        """Start one process that waits for its clients for a second only."""
        (self.folder / "impatient.py").write_text(IMPATIENT)
        return self.start_api(1, GUNICORN_CMD_ARGS="--worker-class=impatient.Worker --keep-alive=1")

    def wait_for_all_processes(self, api: "Api") -> None:
        """Wait until all its processes serve, a restarted one too."""

        def all_serve() -> bool:
            client = self.connect(api.client.port)
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(client.get, ["/healthz"] * CLIENTS))
            return all(api.clients())

        wait_until(all_serve)

    def connect(self, port: int) -> HttpClient:
        """A client of the API at this port, logged in unless its `token` is taken away."""
        client = HttpClient(port, self.token)
        self._clients.append(client)
        return client

    def start_worker(self, *arguments: str, module: str = "sys", **settings: str) -> Process:
        """Start `python worker.py` without waiting for it; it imports `module` first."""
        name = f"worker-{next(self._numbers)}"
        code = f"import runpy, {module}; runpy.run_path({WORKER!r}, run_name='__main__')"
        argv = [sys.executable, "-c", code, *arguments]
        return self._start(name, argv, settings)

    def _start(self, name: str, argv: list[str], settings: Mapping[str, str]) -> Process:
        self._running.append(Process(name, argv, self._environment(settings), self.folder))
        return self._running[-1]

    def supervise_worker(self, *arguments: str, **settings: str) -> Supervised:
        """A worker that is started again whenever it ends."""
        supervised = Supervised(lambda: self.start_worker(*arguments, **settings))
        self._supervised.append(supervised)
        return supervised

    def supervise_reader(self, port: int, token: str, file: Path) -> Supervised:
        """A reader of `GET /events`, which appends their ids to a file."""
        argv = [sys.executable, "-c", READER, str(port), token, str(file)]
        self._supervised.append(Supervised(lambda: self._start(file.name, argv, {})))
        return self._supervised[-1]

    @property
    def logs(self) -> str:
        """All that our processes have printed."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.log")))

    def notified(self) -> Counter[int]:
        """How often drivers were notified of each load."""
        return Counter(map(int, re.findall(r": load\.assigned, load (\d+),", self.logs)))

    def committed(self) -> dict[str, dict]:
        """The document that each committed event should have, by id."""
        with self.app.app_context():
            rows = db.session.scalars(select(LoadEvent)).all()
            db.session.remove()
        return {str(row.id): to_document(row) for row in rows}

    def unpublished(self) -> int:
        return len(run_sql(self.app, "SELECT FROM load_events WHERE published_at IS NULL"))

    def is_settled(self, committed: Collection[str]) -> bool:
        """Whether all these events were published, and have documents."""
        database = self.couch.databases.get("billor-audit")
        stored = set(database.documents) if database else set()
        return stored.issuperset(committed) and self.unpublished() == 0

    def recorded(self) -> dict[str, dict]:
        """All documents of the audit store, by id, without revisions."""
        database = self.couch.databases.get("billor-audit")
        stored = dict(database.documents) if database else {}
        return {
            id_: {field: value for field, value in document.items() if field != "_rev"}
            for id_, document in stored.items()
            if not id_.startswith("_design/")
        }

    def dead_letters(self) -> dict[str, DeadLetter]:
        with self.app.app_context():
            letters = {letter.id: letter for letter in db.session.scalars(select(DeadLetter))}
            db.session.remove()
        return letters

    def assert_converges(self, seconds: float = CONVERGE_SECONDS) -> dict[str, dict]:
        """Wait until every committed event has its document.

        Check that each is what was committed, that there are no others and no dead letters.
        """
        committed = self.committed()
        wait_until(lambda: self.is_settled(committed), seconds)
        assert self.recorded() == committed
        assert self.dead_letters() == {}
        assert self.couch.surprises == [], self.couch.surprises
        return committed

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        environment = python_environment({**self.settings, **more}, self._compiled)
        return environment | {
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
        }


class Api(Process):
    """gunicorn with its workers; `client` is logged in."""

    client: HttpClient

    def answers(self) -> bool:
        assert not self.has_ended, self.output
        try:
            return self.client.get("/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def clients(self) -> list[int]:
        """How many clients each of its processes has."""
        return [
            sum(
                connection.status == psutil.CONN_ESTABLISHED
                and connection.laddr.port == self.client.port
                for connection in child.net_connections("tcp")
            )
            for child in self.children()
        ]


class Dispatcher(Thread):
    """A client that creates, assigns and completes loads in a loop, and records the answers.

    It assigns in each way in turn: alone, in bulk, by a reassignment, and by a plan. It goes on
    after errors.
    """

    def __init__(self, client: HttpClient, number: int = 1):
        super().__init__(daemon=True)
        self._client = client
        self._stop_asked = Event()
        self.statuses: list[int] = []
        self._twofold = 0
        """How many requests make two events."""
        self.failures: list[Exception] = []
        """Requests without an answer."""
        self.problems: list[dict[str, Any]] = []
        """The answers that were errors."""
        address = f"{number}@carrier.example"
        self._driver = client.make_driver(f"DISPATCHER-{number}", email=f"d{address}")
        self._relief = client.make_driver(f"RELIEF-{number}", email=f"r{address}")
        ways = (self._assign, self._assign_in_bulk, self._assign_and_reassign, self._assign_next)
        self._ways = cycle(ways)

    def __enter__(self) -> "Dispatcher":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop_asked.set()
        self.join(60)
        assert not self.is_alive()

    @property
    def events(self) -> int:
        """How many events it makes if each request succeeds; two drivers were made before."""
        return 2 + len(self.statuses) + self._twofold

    def wait_for_rounds(self, count: int) -> None:
        """Wait until so many more loads were assigned."""
        target = self.statuses.count(201) + 2 * count
        wait_until(lambda: self.statuses.count(201) >= target, CONVERGE_SECONDS)

    def run(self) -> None:
        while not self._stop_asked.is_set():
            load = self._send(self._client.post, "/loads", LOAD)
            if load is None or "id" not in load:
                self._stop_asked.wait(0.05)
                continue
            if assignment_id := next(self._ways)(load):
                self._send(self._client.close_assignment, assignment_id)

    # An assignment whose answer was lost blocks the next, whose refusal names it.

    def _assign(self, load: dict) -> int | None:
        """Return the id of the assignment that the driver has now."""
        return _assignment_in(self._send(self._client.assign, self._driver, load))

    def _assign_in_bulk(self, load: dict) -> int | None:
        answer = self._send(self._client.assign_many, [(self._driver, load)]) or {}
        (row,) = answer.get("rows", [{}])
        return row.get("error", row).get("assignmentId")

    def _assign_and_reassign(self, load: dict) -> int | None:
        first = self._assign(load)
        if first is None:
            return None
        self._twofold += 1
        return _assignment_in(self._send(self._client.reassign, first, self._relief))

    def _assign_next(self, load: dict) -> int | None:
        """Plan the load behind another one, at which the driver checks in before its end."""
        first = self._send(self._client.post, "/loads", LOAD) or {}
        active = self._assign(first) if "id" in first else None
        if active is None:
            return None
        check_ins = f"/assignments/{active}/check-ins"
        self._send(self._client.post, check_ins, {"kind": "ACCEPTED"})
        plan = {"driverId": self._driver["id"], "loadId": load["id"], "plan": True}
        planned = _assignment_in(self._send(self._client.post, "/assignments", plan))
        self._twofold += 1
        self._send(self._client.close_assignment, active)
        return planned

    def _send(self, send: Callable[..., Reply], *arguments: Any) -> dict[str, Any] | None:
        try:
            reply = send(*arguments)
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(error)
            return None
        self.statuses.append(reply.status)
        if reply.status >= 400:
            self.problems.append(reply.body)
        return reply.body


def _assignment_in(answer: dict[str, Any] | None) -> int | None:
    return (answer or {}).get("assignmentId" if "code" in (answer or {}) else "id")


LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
