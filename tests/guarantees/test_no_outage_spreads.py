"""Promise 6: an outage fails no other part, is logged once, and ends by reconnecting."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from billor.health.checks import OUTBOX_LATE_SECONDS
from tests.support import couchdb_server
from tests.support.couchdb_server import Fault
from tests.support.databases import run_sql
from tests.support.system import Process, System
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
    copy = (
        "INSERT INTO load_events (id, load_id, type, payload, created_at)"
        " SELECT gen_random_uuid(), load_id, type, payload, now() - :age * interval '1 second'"
        " FROM load_events WHERE load_id IS NOT NULL LIMIT 1"
    )
    run_sql(system.app, copy, age=OUTBOX_LATE_SECONDS + 1)


def log(process: Process, start: int = 0) -> list[str]:
    """The log lines of a process since `start`, without times, requests and notifications."""
    lines = process.output[start:].splitlines()
    return [
        re.sub(r"^\S+ \S+ +(\w+) +billor\S*: ", r"\1 ", line)
        for line in lines
        if not re.search(r" billor\.(worker\.notify|api\.middleware): ", line)
    ]


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
            "documents": "ok",
        }
        assert ready["lag"]["unpublished"]["count"] > 0

    wait_until(lambda: client.get("/loads").headers["X-Cache"] == "HIT")
    assert client.get("/loads").body[0]["id"] == load["id"]
    away, back = log(api)
    assert away.startswith("WARNING Redis is away")
    assert back.startswith("INFO Redis is back")
    system.assert_converges()
    wait_until(lambda: client.get("/readyz").body["status"] == "ok")
