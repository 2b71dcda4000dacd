"""The worker end to end, from a request to the audit trail.

It runs in this process over both buses, and as the real script, which is terminated, killed, split
in two and started with wrong settings.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from billor.config import load_config
from billor.events.bus import Bus, BusUnavailable, InProcessBus, connect_bus
from billor.worker.main import HEARTBEAT_FILE, Worker
from scripts.launcher.launcher import PROJECT
from tests.support.bus import own_topic
from tests.support.databases import run_sql
from tests.support.system import Process, let_time_pass
from tests.support.worker import WAIT_SECONDS, python_environment, running, wait_until

FORBIDDEN_IN_THE_API = (
    *("grpc", "google.cloud", "google.api_core", "google.pubsub_v1"),
    # redis-py imports OpenTelemetry's metrics, which come with Pub/Sub's client.
    *("opentelemetry.sdk.trace", "opentelemetry.exporter", "google.protobuf", "requests"),
)


@pytest.fixture(params=["in-process", "pubsub"])
def bus(request, settings, monkeypatch) -> Bus:
    """Each bus in turn; the worker closes it."""
    if request.param == "pubsub":
        emulator = request.getfixturevalue("emulator_settings")
        # A bus in this process sets the variable; set here first, it is removed after the test.
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator["PUBSUB_EMULATOR_HOST"])
        settings = settings | emulator | own_topic()
    return connect_bus(load_config(settings))


@pytest.fixture
def start(settings, tmp_path, compiled):
    """Run the script with these arguments, and with more settings, until the end of the test."""
    started: list[Process] = []

    def start(*arguments: str, **more: str) -> Process:
        argv = [sys.executable, str(PROJECT / "worker.py"), *arguments]
        environment = python_environment(settings | more, compiled)
        started.append(Process(f"worker-{len(started)}", argv, environment, tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def recorded(client):
    """The ids of all audit documents."""

    def read() -> list[str]:
        answer = client.get("/audit?limit=200")
        assert answer.status_code == 200, answer.text
        return [document["_id"] for document in answer.json]

    return read


@pytest.fixture
def unpublished(app):
    """All events that wait to be published."""
    return lambda: run_sql(app, "SELECT FROM load_events WHERE published_at IS NULL")


@pytest.fixture
def unrecorded(app):
    """All events that wait to be recorded."""
    return lambda: run_sql(app, "SELECT FROM load_events WHERE recorded_at IS NULL")


def change_a_load(client) -> list[str]:
    """Make every change of a load, with a new driver; return the types in the audit trail."""
    driver, load = client.make_driver(), client.make_load()
    client.patch(f"/loads/{load['id']}", {"cargoType": "Flatbed"})
    client.close(client.assign(driver, load), "CANCELLED")
    client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
    client.patch(f"/loads/{load['id']}", {"status": "OPEN"})
    client.close(client.assign(driver, load), "COMPLETED")
    return [
        *("DRIVER_CREATED", "LOAD_CREATED", "LOAD_UPDATED", "ASSIGNED", "ASSIGNMENT_CANCELLED"),
        *("LOAD_CANCELLED", "LOAD_UPDATED", "ASSIGNED", "LOAD_COMPLETED"),
    ]


def test_every_event_is_published_and_recorded_once_in_the_audit_trail(
    app, client, bus, recorded, unpublished
):
    with running(Worker(app, bus, app.extensions["audit_store"])):
        types = change_a_load(client)
        wait_until(lambda: len(recorded()) == len(types) and not unpublished())

    documents = client.get("/audit").json
    assert [document["type"] for document in reversed(documents)] == types
    events = client.get("/loads/1/timeline").json
    *of_the_load, of_the_driver = documents
    assert [document["_id"] for document in reversed(of_the_load)] == [e["id"] for e in events]
    assert (of_the_driver["driverId"], of_the_driver["loadId"]) == (1, None)
    assert of_the_driver in client.get("/audit?driverId=1").json
    (assigned, _) = client.get("/audit?type=ASSIGNED").json
    assert assigned["payload"]["driver"].items() <= client.get("/drivers/1").json.items()
    assert assigned["assignmentId"] == 2


def test_a_worker_waits_for_its_services(app, client, recorded):
    """It starts in any order with them, and may be stopped while it waits."""

    class AbsentBus(InProcessBus):
        attempts = 0

        def prepare(self):
            self.attempts += 1
            if self.attempts < 6:
                raise BusUnavailable("not there")
            return super().prepare()

    client.make_load()
    bus = AbsentBus()
    with running(Worker(app, bus, app.extensions["audit_store"])):
        wait_until(lambda: bus.attempts >= 2)
    with running(Worker(app, bus, app.extensions["audit_store"])):
        wait_until(recorded)


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_worker_ends_if_a_thread_fails(app, caplog, kind):
    class BrokenBus(InProcessBus):
        def pull(self, max_messages):
            raise kind("a defect")

    with running(Worker(app, BrokenBus(), app.extensions["audit_store"]), status=1) as thread:
        thread.join(WAIT_SECONDS)
    assert f"{kind.__name__}: a defect" in caplog.text


def test_sigkill_of_a_worker_loses_and_duplicates_nothing(app, client, couch, start, unrecorded):
    types = change_a_load(client)
    couch.hold_batch()
    worker = start(COUCHDB_URL=couch.url)
    couch.wait_until_hanging()
    worker.kill()
    couch.mend()
    assert len(unrecorded()) == len(types), "half of them stored, but none marked"
    client.make_load()
    worker = start(COUCHDB_URL=couch.url)
    wait_until(lambda: not unrecorded())
    let_time_pass(app)
    wait_until(lambda: "load.assigned, load" in worker.output)
    worker.send(signal.SIGINT)
    assert worker.wait() == 0
    assert worker.output.count("load.assigned, load") == 1, "the other assignment was cancelled"
    assert len(couch.databases["billor-audit"].documents) == len(types) + 2


@pytest.mark.skipif(sys.platform != "linux", reason="only there can a signal be sent to a thread")
def test_a_sigterm_delivered_to_another_thread_stops_the_worker(client, start, unpublished):
    """The kernel chooses the thread; Python's handlers run in the first one alone."""
    client.make_load()
    worker = start()
    wait_until(lambda: not unpublished())
    thread = next(each.id for each in psutil.Process(worker.pid).threads() if each.id != worker.pid)
    assert ctypes.CDLL(None).tgkill(worker.pid, thread, signal.SIGTERM) == 0
    wait_until(lambda: "Worker stopping" in worker.output)
    assert worker.wait() == 0


def test_all_that_a_worker_without_the_launcher_makes_is_private(start, tmp_path):
    existing, missing = tmp_path / "existing", tmp_path / "not" / "there" / "yet"
    existing.mkdir()
    existing.chmod(0o777)
    umask = os.umask(0)
    try:
        workers = [start(BILLOR_HOME=str(home)) for home in (existing, missing)]
    finally:
        os.umask(umask)
    for home in (existing, missing):
        wait_until(lambda home=home: {"audit.sqlite3", HEARTBEAT_FILE} <= files_in(home))
    assert [worker.terminate() for worker in workers] == [0, 0]
    made = [tmp_path / "not", tmp_path / "not" / "there", *existing.iterdir(), *missing.iterdir()]
    for each in (existing, missing, *made):
        assert each.stat().st_mode & 0o077 == 0, each


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_relay_without_pubsub_says_why_in_one_line(start):
    worker = start("relay")
    assert worker.wait() == 1
    (line,) = worker.output.splitlines()
    assert re.match("billor: .*PUBSUB_PROJECT_ID", line)


def test_the_api_imports_neither_pubsub_nor_an_exporter_of_spans(settings, compiled, tmp_path):
    code = (
        "import json, sys, wsgi; "
        "wsgi.app.test_client().get('/readyz'); "
        "print(json.dumps(list(sys.modules)))"
    )
    environment = settings | {"PUBSUB_PROJECT_ID": "a-project", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=python_environment(environment, compiled),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = json.loads(done.stdout)
    assert "billor.events.outbox" in imported
    assert [name for name in imported if name.startswith(FORBIDDEN_IN_THE_API)] == []
