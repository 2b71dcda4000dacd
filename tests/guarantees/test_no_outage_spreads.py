"""Promise 6: an outage fails no other part, is logged once, and ends by reconnecting."""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from billor.health.checks import OUTBOX_LATE_SECONDS
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_load
from billor.models import db
from tests.support import couchdb_server
from tests.support.couchdb_server import Fault
from tests.support.system import LOAD, Process, System
from tests.support.worker import wait_until

ROUNDS = 5


@contextmanager
def everything_hung(system: System, *services) -> Iterator[None]:
    """Let every service but PostgreSQL accept connections and never answer."""
    with ExitStack() as outages:
        for service in services:
            outages.enter_context(service.hung())
        outages.callback(system.couch.mend)
        system.couch.fail(Fault.HANG)
        yield


def make_event_of_long_ago(system: System) -> None:
    """Insert an overdue event, in one statement so that the relay never sees it otherwise."""
    copy = text(
        "INSERT INTO load_events (id, load_id, type, payload, created_at)"
        " SELECT gen_random_uuid(), load_id, type, payload, now() - :age * interval '1 second'"
        " FROM load_events WHERE load_id IS NOT NULL LIMIT 1"
    )
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(copy, {"age": OUTBOX_LATE_SECONDS + 1})


def log(process: Process, start: int = 0) -> list[str]:
    """The log lines of a process since `start`, without times, requests and notifications."""
    lines = process.output[start:].splitlines()
    return [
        re.sub(r"^\S+ \S+ +(\w+) +billor\S*: ", r"\1 ", line)
        for line in lines
        if not re.search(r" billor\.(worker\.notify|http\.middleware): ", line)
    ]


def is_one_outage(lines: Sequence[str], service: str) -> bool:
    """Whether the lines are exactly the start and the end of the service's outage."""
    if len(lines) != 2:
        return False
    away, back = lines
    return away.startswith(f"WARNING {service} is away") and back.startswith(
        f"INFO {service} is back"
    )


def test_a_hanging_service_fails_no_request_and_is_logged_once(system, redis, pubsub, monkeypatch):
    monkeypatch.setattr(couchdb_server, "MAX_HANG_SECONDS", 60)
    api = system.start_api(workers=1)
    system.start_worker()
    client = api.client
    driver = client.make_driver("TX-1")
    wait_until(system.recorded)

    with everything_hung(system, redis, pubsub):
        for _ in range(ROUNDS):
            load = client.make_load()
            assigned = client.assign(driver, load)
            assert assigned.status == 201
            assert client.close_assignment(assigned.body["id"]).status == 200
            looked = client.get("/loads")
            assert (looked.status, looked.headers["X-Cache"]) == (200, "BYPASS")
            assert looked.body[0]["id"] == load["id"]
        make_event_of_long_ago(system)

        def readiness() -> dict | None:
            ready = client.get("/readyz")
            assert ready.status == 200
            return ready.body if ready.body["dependencies"]["events"] == "late" else None

        ready = wait_until(readiness)
        assert ready["status"] == "degraded"
        assert ready["dependencies"] == {
            "postgresql": "ok",
            "redis": "away",
            "events": "late",
            "audit": "away",
        }
        assert ready["lag"]["unpublished"]["count"] > 0

    wait_until(lambda: client.get("/loads").headers["X-Cache"] == "HIT")
    assert client.get("/loads").body[0]["id"] == load["id"]
    assert is_one_outage(log(api), "Redis"), log(api)
    system.assert_converges()
    wait_until(lambda: client.get("/readyz").body["status"] == "ok")


@pytest.mark.slow
def test_the_worker_logs_each_outage_once_and_recovers(system, postgresql, pubsub):
    worker = system.start_worker("consumer")
    wait_until(lambda: log(worker))
    assert log(worker) == ["INFO Worker started: consumer"]
    relay = system.start_worker("relay")
    make_load(system)
    wait_until(system.recorded)

    with logging_one_outage(worker, "The audit store"):
        system.couch.fail(Fault.SERVER_ERROR, times=4)
        make_load(system)
    with logging_one_outage(relay, "PostgreSQL"), in_place_of(postgresql) as door:
        while "PostgreSQL is away" not in relay.output:
            door.accept()[0].close()
    with logging_one_outage(relay, "The event bus"), pubsub.hung():
        make_load(system)
        wait_until(lambda: "The event bus is away" in relay.output)
    system.assert_converges()
    assert [worker.terminate(), relay.terminate()] == [0, 0]


@contextmanager
def logging_one_outage(worker: Process, service: str) -> Iterator[None]:
    """Check that the worker logs one outage in the block, and nothing else."""
    wait_until(lambda: worker.output)
    mark = len(worker.output)
    yield
    wait_until(lambda: "is back" in worker.output[mark:])
    assert is_one_outage(log(worker, mark), service), log(worker, mark)


def make_load(system: System) -> None:
    with system.app.app_context():
        create_load(**LoadSchema().load(LOAD))
        db.session.remove()


@contextmanager
def in_place_of(postgresql) -> Iterator[socket.socket]:
    """Stop PostgreSQL and listen on its port until it is started again."""
    address = urlsplit(postgresql.settings["DATABASE_URL"])
    postgresql.stop()
    try:
        with socket.create_server((address.hostname, address.port)) as door:
            door.settimeout(30)
            yield door
    finally:
        postgresql.start()
