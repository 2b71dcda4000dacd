"""Promise 5: a read of loads contains every write answered before it.

This holds across processes, and whatever happens to Redis meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import cycle
from threading import Condition

import pytest
from redis import Redis

from tests.support.http import HttpClient, Reply
from tests.support.worker import WAIT_SECONDS

WRITERS = 3
READERS = 6
LOADS = 8
"""The loads that each writer takes through all stages. All of them fit on one page."""
HITS_BETWEEN = 2
"""The minimum of cache hits between two writes of a writer: only hits can be stale."""
FAULT_EVERY = 7
"""The number of writes between faults."""

STAGES = [("Milk", "OPEN"), ("Beer", "OPEN"), ("Beer", "ASSIGNED"), ("Beer", "COMPLETED")]
"""The stages of a load: its cargo type and its status."""
PAGES = {"": {0, 1, 2, 3}, "&status=OPEN": {0, 1}, "&status=ASSIGNED": {2}}
"""The queries that are read, with the stages of the loads they list."""

GENERATION = "billor:generation"


@pytest.fixture
def stored(redis) -> Iterator[Redis]:
    """A client of the Redis that the API uses."""
    with closing(Redis.from_url(redis.settings["REDIS_URL"])) as client:
        yield client


def advance(client: HttpClient, driver: dict, origin: str) -> Iterator[int]:
    """Take a load to its next stage with each step; yield its id."""
    load = client.make_load(origin=origin, cargoType=STAGES[0][0])
    yield load["id"]
    assert client.patch(f"/loads/{load['id']}", {"cargoType": STAGES[1][0]}).status == 200
    yield load["id"]
    assignment = client.assign(driver, load)
    assert assignment.status == 201
    yield load["id"]
    assert client.close_assignment(assignment.body["id"]).status == 200
    yield load["id"]


class Ledger:
    """The stages of loads: reached when the write was answered, possible once it was sent.

    Each load has one writer.
    """

    def __init__(self, fault: Callable[[], object]):
        self.caches: Counter[str] = Counter()
        self.is_closed = False
        self._fault = fault
        self._reached: dict[int, int] = {}
        self._sent: dict[int, int] = {}
        self._writes = 0
        self._read = Condition()

    def write(self, stages: Iterator[int]) -> None:
        id_ = next(stages)
        self._sent[id_] = 0
        self._note_answer(id_)
        for stage in range(1, len(STAGES)):
            self._sent[id_] = stage
            next(stages)
            self._note_answer(id_)

    def read(self, send: Callable[[], Reply], shown: set[int]) -> None:
        """Read a page of loads in these stages, and check it."""
        reached = dict(self._reached)
        reply = send()
        sent = dict(self._sent)
        assert reply.status == 200
        listed = {
            load["id"]: STAGES.index((load["cargoType"], load["status"])) for load in reply.body
        }
        assert set(listed.values()) <= shown
        for id_, stage in reached.items():
            possible = set(range(stage, sent[id_] + 1))
            cache = reply.headers["X-Cache"]
            if id_ in listed:
                assert listed[id_] in possible, f"{cache}: load {id_} is stale"
            else:
                assert possible - shown, f"{cache}: load {id_} is missing after a write"
        with self._read:
            self.caches[reply.headers["X-Cache"]] += 1
            self._read.notify_all()

    def close(self) -> None:
        with self._read:
            self.is_closed = True
            self._read.notify_all()

    def _note_answer(self, id_: int) -> None:
        with self._read:
            self._reached[id_] = self._sent[id_]
            self._writes += 1
            if self._writes % FAULT_EVERY == 0:
                self._fault()
            enough = self.caches["HIT"] + HITS_BETWEEN
            assert self._read.wait_for(
                lambda: self.caches["HIT"] >= enough or self.is_closed, WAIT_SECONDS
            )
            assert not self.is_closed, "no reader is left"


def test_every_read_contains_the_writes_answered_before_it(api, stored):
    """Redis forgets all it has, or only the generation, in turn."""
    client, origin = api.client, "Cached"
    drivers = [client.make_driver(f"{origin} {number}") for number in range(WRITERS)]
    faults = cycle([stored.flushall, partial(stored.delete, GENERATION)])
    ledger = Ledger(lambda: next(faults)())

    def read(page: str) -> None:
        send = partial(client.get, f"/loads?limit=200&origin={origin}{page}")
        try:
            while not ledger.is_closed:
                ledger.read(send, PAGES[page])
        finally:
            ledger.close()

    def write(driver: dict) -> None:
        for _ in range(LOADS):
            ledger.write(advance(client, driver, origin))

    with ThreadPoolExecutor(READERS) as readers, ThreadPoolExecutor(WRITERS) as writers:
        reading = [readers.submit(read, page) for page in list(PAGES) * (READERS // len(PAGES))]
        writing = [writers.submit(write, driver) for driver in drivers]
        for writer in writing:
            writer.exception()
        ledger.close()
        for future in (*reading, *writing):  # a reader's failure explains those of the writers
            future.result()
    assert ledger.caches["HIT"] >= HITS_BETWEEN * LOADS * len(STAGES)
