"""Guarantee 3: an outage slows down no other part, is logged once, and ends by reconnecting."""

import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from statistics import median
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from billor.cache import TIMEOUT_SECONDS
from billor.extensions import db
from billor.health.checks import OUTBOX_LATE_SECONDS
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_load
from tests.support import couchdb_server
from tests.support.couchdb_server import Fault
from tests.support.http import HttpClient, Reply
from tests.support.system import LOAD, Api, Process, System
from tests.support.worker import wait_until

SLOWER_SECONDS = 0.25
"""How much longer an answer may take while a service hangs."""
READY_SECONDS = 2
SOON_SECONDS = 5
"""How long the recovery after an outage may take."""
ROUNDS, PAUSE_SECONDS = 8, 0.3


@dataclass(frozen=True)
class Timed:
    seconds: float
    reply: Reply


def timed(send: Callable[..., Reply], *arguments) -> Timed:
    start = time.perf_counter()
    reply = send(*arguments)
    return Timed(time.perf_counter() - start, reply)


def assign(client: HttpClient, driver: dict, load: dict) -> Timed:
    assigned = timed(client.assign, driver, load)
    assert assigned.reply.status == 201, assigned
    assert client.close_assignment(assigned.reply.body["id"]).status == 200
    return assigned


def look(client: HttpClient) -> Timed:
    looked = timed(client.get, "/loads")
    assert looked.reply.status == 200, looked
    return looked


def work(client: HttpClient, driver: dict) -> tuple[list[Timed], list[Timed]]:
    """Make loads, assign them and read the list, with pauses."""
    assigned, looked = [], []
    for _ in range(ROUNDS):
        assigned.append(assign(client, driver, client.make_load()))
        looked.append(look(client))
        time.sleep(PAUSE_SECONDS)
    return assigned, looked


@pytest.fixture
def apis(system) -> list[Api]:
    """Two API processes, each with its own port."""
    return [system.start_api(workers=1) for _ in range(2)]


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
        if not re.search(r" billor\.(worker\.notifications|http\.middleware): ", line)
    ]


def is_one_outage(lines: Sequence[str], service: str) -> bool:
    """Whether the lines are exactly the start and the end of the service's outage."""
    if len(lines) != 2:
        return False
    away, back = lines
    return away.startswith(f"WARNING {service} is away") and back.startswith(
        f"INFO {service} is back"
    )


def test_a_hanging_service_slows_no_request_and_is_logged_once(
    system, apis, redis, pubsub, monkeypatch
):
    monkeypatch.setattr(couchdb_server, "LONGEST_HANG_SECONDS", 60)
    system.start_worker()
    clients = [api.client for api in apis for _ in range(2)]
    drivers = [clients[0].make_driver(f"TX-{number}") for number in range(len(clients))]
    waiting_load = clients[0].make_load()
    wait_until(system.recorded)

    def everybody_works() -> tuple[list[Timed], list[Timed]]:
        with ThreadPoolExecutor(len(clients)) as pool:
            assigned, looked = zip(*pool.map(work, clients, drivers), strict=True)
        return list(chain(*assigned)), list(chain(*looked))

    healthy = everybody_works()
    with everything_hung(system, redis, pubsub):
        # The first failure of each process, one per kind of request.
        first = [assign(apis[0].client, drivers[0], waiting_load)], [look(apis[1].client)]
        assert first[1][0].reply.headers["X-Cache"] == "BYPASS"
        hung = everybody_works()
        make_event_of_long_ago(system)
        ready = [timed(api.client.get, "/readyz") for api in apis]
        load = clients[0].make_load()

    # The client of a cluster asks all masters in turn before it gives up.
    masters = redis.settings["REDIS_URL"].count(",") + 1
    discovery_seconds = SLOWER_SECONDS + (masters * TIMEOUT_SECONDS if masters > 1 else 0)
    for before, discovering, after in zip(healthy, first, hung, strict=True):
        seconds = [answer.seconds for answer in before]
        # The noise of this machine, as seen in the healthy system.
        noise = max(seconds) - median(seconds)
        for answers, slower in ((discovering, discovery_seconds), (after, SLOWER_SECONDS)):
            for answer in answers:
                assert answer.seconds <= median(seconds) + slower + noise
        # Without a circuit breaker several requests would wait for the whole timeout; one may be
        # late for other reasons.
        late = sum(answer.seconds >= TIMEOUT_SECONDS for answer in after)
        assert late <= sum(answer >= TIMEOUT_SECONDS for answer in seconds) + 1
    assert {answer.reply.headers["X-Cache"] for answer in hung[1]} == {"BYPASS"}
    for answer in ready:
        assert answer.reply.status == 200
        assert answer.reply.body["status"] == "degraded"
        assert answer.reply.body["dependencies"] == {
            "postgresql": "ok",
            "redis": "away",
            "events": "late",
            "audit": "away",
        }
        assert answer.reply.body["lag"]["unpublished"]["count"] > 0
        assert answer.seconds <= READY_SECONDS

    for api in apis:
        wait_until(lambda: look(api.client).reply.headers["X-Cache"] == "HIT", SOON_SECONDS)  # noqa: B023
        assert look(api.client).reply.body[0] == load
        assert is_one_outage(log(api), "Redis"), log(api)
    system.assert_converges()
    for api in apis:
        wait_until(lambda: api.client.get("/readyz").body["status"] == "ok", SOON_SECONDS)  # noqa: B023


def test_a_load_created_during_a_redis_outage_is_soon_in_lists(system, apis, redis):
    writer, reader = (api.client for api in apis)
    writer.make_load()
    wait_until(lambda: look(reader).reply.headers["X-Cache"] == "HIT")
    with redis.hung():
        # Redis still handles the writer's first command when it goes on. No invalidation is sent
        # for a load made after it.
        assert look(writer).reply.headers["X-Cache"] == "BYPASS"
        load = writer.make_load()
    # The reader saw no failure, and the writer gets no further request.
    wait_until(lambda: look(reader).reply.body[0] == load, SOON_SECONDS)


@pytest.mark.slow
def test_the_worker_logs_each_outage_once_and_recovers(system, postgresql, pubsub):
    worker = system.start_worker()
    wait_until(lambda: log(worker))
    assert log(worker) == ["INFO Worker started: relay and consumer"]

    with logging_one_outage(worker, "The audit store"):
        system.couch.fail(Fault.SERVER_ERROR, times=4)
        make_load(system)
    with logging_one_outage(worker, "PostgreSQL"), in_place_of(postgresql) as door:
        refused = 0
        # A pooler keeps an outage from clients until they have waited for too long.
        while refused < 4 or "PostgreSQL is away" not in worker.output:
            door.accept()[0].close()
            refused += 1
    with logging_one_outage(worker, "The event bus"), pubsub.hung():
        make_load(system)
        wait_until(lambda: "The event bus is away" in worker.output)
    system.assert_converges()
    assert worker.terminate() == 0


@contextmanager
def logging_one_outage(worker: Process, service: str) -> Iterator[None]:
    """Check that the worker logs one outage in the block, and nothing else."""
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
            door.settimeout(20)
            yield door
    finally:
        postgresql.start()
