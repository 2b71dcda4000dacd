"""The audit stores: one contract that all of them keep, then what only one can suffer.

CouchDB is a fake in this process, which can fail in all ways; and a real one besides, if
TEST_COUCHDB_URL names it, with user and password.
"""

import gc
import json
import os
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from threading import Barrier
from time import monotonic

import couchdb as client
import pytest
from couchdb.http import ResourceNotFound

from billor.audit import couchdb as couchdb_store
from billor.audit.connect import connect_store
from billor.audit.couchdb import DESIGN
from billor.audit.sqlite import SqliteStore
from billor.audit.store import (
    AuditDocument,
    AuditFilter,
    AuditStore,
    DeadLetter,
    Found,
    Saved,
    StoreUnavailable,
)
from billor.config import load_config
from tests.support.couchdb_server import KNOWN_MAP, FakeCouchDB, Fault

EVERYTHING = AuditFilter()
MANY = 1000
LONGEST_WAIT_SECONDS = 20


def moment(number: int) -> str:
    return f"2026-01-31T12:00:00.{number:06}Z"


def make_document(number: int = 1, **fields) -> AuditDocument:
    """The document of one event; higher numbers are newer, and have higher ids."""
    return {
        "_id": str(uuid.UUID(int=number)),
        "type": "ASSIGNED",
        "driverId": 7,
        "loadId": 42,
        "assignmentId": 3,
        "payload": {"load": {"id": 42, "origin": "Dallas, TX"}},
        "timestamp": moment(number),
        "requestId": "request-1",
    } | fields


def make_letter(data: bytes = b"{", received: int = 0) -> DeadLetter:
    at = datetime(2026, 1, 31, tzinfo=UTC) + timedelta(microseconds=received)
    return DeadLetter(data, {"type": "load.created"}, "not JSON", at)


def letters_of(store: AuditStore) -> list[DeadLetter]:
    """All dead letters of a store, each put together again."""
    letters = []
    for buried in store.dead_letters():
        data = store.dead_letter_data(buried.id)
        assert len(data) == buried.size
        letters.append(DeadLetter(data, buried.attributes, buried.reason, buried.received_at))
        assert letters[-1].id == buried.id
    return letters


def newest_first(documents: Sequence[AuditDocument]) -> list[AuditDocument]:
    return sorted(documents, key=position, reverse=True)


def position(document: AuditDocument) -> tuple[str, str]:
    return document["timestamp"], document["_id"]


def matching(documents: Sequence[AuditDocument], wanted: AuditFilter) -> list[AuditDocument]:
    """What a store that holds these documents must find."""
    return [
        document
        for document in newest_first(documents)
        if wanted.load_id in (None, document["loadId"])
        and wanted.driver_id in (None, document["driverId"])
        and wanted.type in (None, document["type"])
        and (wanted.since is None or document["timestamp"] >= wanted.since)
        and (wanted.until is None or document["timestamp"] < wanted.until)
    ]


def found(store: AuditStore, *search) -> list[AuditDocument]:
    """What a store finds that has searched everything."""
    documents, is_complete = store.find(*search)
    assert is_complete
    return documents


def outcome(saved: Saved) -> tuple[list, list]:
    return list(saved.new), [refusal.document for refusal in saved.refused]


def all_at_once(actions: Sequence[Callable]) -> list:
    """Run each in a thread of its own, none before all are ready."""
    barrier = Barrier(len(actions))

    def run(action):
        barrier.wait(LONGEST_WAIT_SECONDS)
        return action()

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions))


# Everything that a store does, each harmless to repeat.
OPERATIONS = {
    "prepare": lambda store: store.prepare(),
    "ping": lambda store: store.ping(),
    "save": lambda store: store.save([make_document()]),
    "find": lambda store: store.find(EVERYTHING, MANY),
    "missing": lambda store: store.missing([make_document()["_id"]]),
    "bury": lambda store: store.bury(make_letter()),
    "dead_letters": lambda store: store.dead_letters(),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
COUCHDB_OPERATIONS = OPERATIONS | {"index": lambda store: store.index()}
every_operation_on_couchdb = pytest.mark.parametrize(
    "operation", COUCHDB_OPERATIONS.values(), ids=COUCHDB_OPERATIONS.keys()
)


class Place:
    """Where documents are kept, to be opened by any number of stores."""

    def __init__(self, folder: Path, couchdb_url: str = ""):
        self._folder = folder
        self._couchdb_url = couchdb_url
        self._database = f"test-{uuid.uuid4().hex}"
        self._stores: list[AuditStore] = []

    def open(self, couchdb_url: str | None = None) -> AuditStore:
        settings = {
            "BILLOR_HOME": str(self._folder),
            "COUCHDB_URL": couchdb_url or self._couchdb_url,
            "COUCHDB_DATABASE": self._database,
            "DATABASE_URL": "postgresql://nowhere/",
            "JWT_SECRET_KEY": "a-key-for-tests-only-0123456789abcdef",
        }
        self._stores.append(connect_store(load_config(settings)))
        return self._stores[-1]

    def destroy(self) -> None:
        """Lose all documents, and whatever was prepared for them."""
        for file in self._folder.glob("audit.sqlite3*"):
            file.unlink()
        if self._couchdb_url:
            server = client.Server(self._couchdb_url)
            for name in (self._database, f"{self._database}-dead-letters"):
                with suppress(ResourceNotFound):
                    server.delete(name)

    @property
    def couchdb(self) -> client.Database:
        """The documents' database, for tests that meddle with it."""
        return client.Server(self._couchdb_url)[self._database]

    @property
    def dead_letters(self) -> client.Database:
        return client.Server(self._couchdb_url)[f"{self._database}-dead-letters"]

    def close(self) -> None:
        for store in self._stores:
            store.close()
        self.destroy()


@pytest.fixture
def couch_place(couch: FakeCouchDB, tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, couch.url)
    yield place
    couch.mend()
    place.close()


REAL_COUCHDB_URL = os.environ.get("TEST_COUCHDB_URL")


@pytest.fixture(params=["sqlite", "couchdb", *(["real-couchdb"] if REAL_COUCHDB_URL else [])])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "couchdb":
        yield request.getfixturevalue("couch_place")
        return
    place = Place(tmp_path, REAL_COUCHDB_URL if request.param == "real-couchdb" else "")
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> AuditStore:
    store = place.open()
    store.prepare()
    return store


# The contract of all stores


def test_missing_ids_are_told_from_those_of_documents(store: AuditStore):
    documents = [make_document(number) for number in range(3)]
    store.save(documents)
    ids = [document["_id"] for document in documents]
    unknown = [make_document(number)["_id"] for number in (7, 8)]
    assert store.missing([*unknown, *ids]) == set(unknown)
    assert store.missing(ids) == set()
    assert store.missing([]) == set()


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"emoji 🚚": "🚚 Zażółć 漢字 \x00 \u2028 \\ \" '"},
        {"_id": "x", "_rev": "1-x", "": [], "values": [None, True, 0, -1.5, 1e300, 2**53, {}]},
        {"load": {"lines": [{"n": n, "text": "x" * 90, "at": {"🚚": [n]}} for n in range(5000)]}},
        {"deep": json.loads("[" * 50 + "]" * 50)},
    ],
    ids=["empty", "texts", "values", "big", "deep"],
)
def test_documents_are_found_as_they_were_saved(store, payload):
    documents = [
        make_document(2, payload=payload),
        make_document(1, driverId=None, assignmentId=None, requestId=None, payload=payload),
    ]
    expected = [dict(document) for document in documents]
    assert outcome(store.save(documents)) == (expected, [])
    assert documents == expected  # nothing was added to what was given
    assert found(store, EVERYTHING, MANY) == expected


def test_saving_again_is_harmless_and_reports_nothing(store):
    document = make_document()
    in_another_order = dict(reversed(document.items()))
    assert outcome(store.save([document, dict(document)])) == ([document], [])
    for again in (document, in_another_order):
        assert outcome(store.save([again])) == ([], [])
    assert found(store, EVERYTHING, MANY) == [document]


@pytest.mark.parametrize(
    "difference",
    [
        {"payload": {"load": None}},
        {"requestId": None},
        {"timestamp": moment(2), "loadId": 43},
    ],
    ids=lambda difference: "-".join(difference),
)
def test_another_document_with_the_same_id_is_reported_and_not_stored(store, difference):
    document = make_document()
    other = document | difference
    store.save([document])
    assert outcome(store.save([other])) == ([], [other])
    assert found(store, EVERYTHING, MANY) == [document]


def test_documents_of_one_batch_have_each_their_own_fate(store):
    stored = [make_document(n) for n in range(4)]
    store.save(stored)
    new = [make_document(n) for n in range(4, 8)]
    others = [make_document(n, loadId=1) for n in (1, 3)]
    twice = make_document(7, loadId=1)
    batch = [new[0], stored[0], others[0], new[1], new[2], stored[2], others[1], new[3], twice]
    assert outcome(store.save(batch)) == (new, [*others, twice])
    assert found(store, EVERYTHING, MANY) == newest_first(stored + new)


every_filter = pytest.mark.parametrize(
    ("load_id", "driver_id", "type_"), [*product((None, 1), (None, 2), (None, "LOAD_CREATED"))]
)
# Neighbours are a microsecond apart, or months.
TIMES = [
    "2025-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00.000000Z",
    "2026-10-01T00:00:00.000009Z",
    "2026-10-01T00:00:00.000010Z",
]
BOUNDS = [None, "0001-01-01T00:00:00.000000Z", *TIMES, "2026-10-01T00:00:00.000011Z"]
PLACES_TO_START_AND_END = [
    *product((None, moment(1)), (None, moment(9)), (None, (moment(5), str(uuid.UUID(int=5)))))
]
"""Values of `since`, `until` and `after`."""


@every_filter
def test_documents_are_found_by_any_combination_of_filters_and_times(
    store, load_id, driver_id, type_
):
    fields = product((1, 2), (1, 2, None), ("ASSIGNED", "LOAD_CREATED"), TIMES)
    documents = [
        make_document(n, loadId=load, driverId=driver, type=name, timestamp=time)
        for n, (load, driver, name, time) in enumerate(fields)
    ]
    store.save(documents)
    for since, until in product(BOUNDS, BOUNDS):
        wanted = AuditFilter(load_id, driver_id, type_, since, until)
        assert found(store, wanted, MANY) == matching(documents, wanted), (since, until)


def test_the_newest_come_first_and_ids_break_ties(store):
    documents = [make_document(n, timestamp=moment(n % 3)) for n in (5, 0, 8, 3, 1, 7, 2, 6, 4)]
    store.save(documents)
    numbers = [uuid.UUID(document["_id"]).int for document in found(store, EVERYTHING, MANY)]
    assert numbers == [8, 5, 2, 7, 4, 1, 6, 3, 0]
    assert found(store, EVERYTHING, 4) == newest_first(documents)[:4]


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize(
    "wanted",
    [
        EVERYTHING,
        AuditFilter(load_id=1),
        AuditFilter(since=moment(2), until=moment(6)),
        AuditFilter(load_id=1, since=moment(2)),
        AuditFilter(load_id=1, until=moment(6)),
    ],
    ids=["all", "filtered", "range", "filtered from", "filtered to"],
)
def test_paging_gives_each_document_once_also_while_newer_ones_arrive(store, wanted, limit):
    documents = [make_document(n, timestamp=moment(n // 3), loadId=n % 2 + 1) for n in range(24)]
    store.save(documents)
    expected = matching(documents, wanted)
    seen, after = [], None
    for newer in range(MANY, MANY + len(documents)):  # no more pages than documents
        page = found(store, wanted, limit, after)
        seen += page
        if len(page) < limit:
            break
        after = position(page[-1])
        store.save(  # the newest of the range, and the newest of all
            [
                make_document(newer, loadId=1, timestamp=expected[0]["timestamp"]),
                make_document(newer + MANY, loadId=1),
            ]
        )
    assert seen == expected


def test_a_position_need_not_be_that_of_a_document_that_matches(store):
    documents = [make_document(n, loadId=n % 2) for n in range(6)]
    store.save(documents)
    page = found(store, AuditFilter(load_id=1), MANY, position(documents[4]))
    assert page == [documents[3], documents[1]]
    assert found(store, EVERYTHING, 2, (moment(3), "")) == [documents[2], documents[1]]
    for number, expected in ((5, [3, 2]), (4, [3, 2]), (3, [2]), (2, []), (1, []), (0, [])):
        wanted = AuditFilter(since=moment(2), until=moment(4))
        page = found(store, wanted, MANY, position(documents[number]))
        assert page == [documents[n] for n in expected], number


def test_an_empty_store_finds_nothing(store):
    assert outcome(store.save([])) == ([], [])
    assert found(store, EVERYTHING, MANY) == []
    assert found(store, EVERYTHING, MANY, position(make_document())) == []
    assert store.dead_letters() == []


def test_preparing_again_keeps_everything(store, place):
    store.save([make_document()])
    store.bury(make_letter())
    for again in (store, place.open()):
        again.prepare()
    assert found(store, EVERYTHING, MANY) == [make_document()]
    assert letters_of(store) == [make_letter()]


@every_operation_on_couchdb
def test_a_store_need_not_be_prepared(place, operation):
    operation(place.open())


@every_operation_on_couchdb
def test_a_store_that_is_deleted_while_in_use_is_made_again(store, place, operation):
    store.save([make_document()])
    place.destroy()
    operation(store)
    assert outcome(store.save([make_document(2)])) == ([make_document(2)], [])


def test_dead_letters_keep_raw_bytes_and_are_read_oldest_first(store):
    oldest, middle, newest = (
        DeadLetter(data, attributes, reason, make_letter(received=received).received_at)
        for data, attributes, reason, received in [
            (b"\xff\xfe\x00 not UTF-8", {"id": "1", "emoji 🚚": "é\n"}, "not JSON: 🚚", 0),
            (b"", {}, "", 1),
            (bytes(range(256)) * 1000, {"type": "load.created"}, "too big", 1_000_000),
        ]
    )
    for letter in (middle, newest, oldest):  # by another process, say, and the slower one
        store.bury(letter)
    assert letters_of(store) == [oldest, middle, newest]


def test_the_same_dead_letter_is_kept_once_however_often_it_comes(store):
    for received in (0, 5):
        store.bury(make_letter(received=received))
    assert letters_of(store) == [make_letter()]
    assert found(store, EVERYTHING, MANY) == []


def test_dead_letters_of_ten_megabytes_are_kept(store):
    letter = make_letter(b"\xff" * 9_900_000)
    store.bury(letter)
    assert letters_of(store) == [letter]


def test_a_document_that_somebody_deleted_is_missing_and_may_be_saved_again(
    couch_place, couch_store
):
    document = make_document()
    couch_store.save([document])
    couch_place.couchdb.delete(couch_place.couchdb[document["_id"]])
    assert couch_store.missing([document["_id"]]) == {document["_id"]}
    assert outcome(couch_store.save([document])) == ([document], [])
    assert couch_store.missing([document["_id"]]) == set()


def test_dead_letters_of_an_earlier_version_are_still_there(couch_place, couch_store):
    letter = make_letter(b"\xff\x00")
    couch_place.dead_letters.save(
        {
            "_id": "2026-01-31T00:00:00+00:00-1",
            "data": "/wA=",
            "attributes": letter.attributes,
            "reason": letter.reason,
            "receivedAt": letter.received_at.isoformat(),
        }
    )
    (buried,) = couch_store.dead_letters()
    assert (buried.size, buried.reason) == (2, letter.reason)
    assert couch_store.dead_letter_data(buried.id) == letter.data


def test_an_index_that_somebody_added_is_no_dead_letter(couch_place, couch_store):
    couch_store.bury(make_letter())
    couch_place.dead_letters.save({"_id": "_design/by-reason", "language": "query"})
    assert letters_of(couch_store) == [make_letter()]


def test_a_dead_letter_that_is_removed_is_gone_and_may_come_again(store):
    kept, removed = make_letter(b"kept"), make_letter(b"removed", received=1)
    for letter in (kept, removed):
        store.bury(letter)
    for _ in range(2):
        store.remove_dead_letter(removed.id)
        assert letters_of(store) == [kept]
    store.bury(removed)
    assert letters_of(store) == [kept, removed]


def test_what_was_indexed_is_found_once_and_what_came_since_as_well(store):
    documents = [make_document(n) for n in range(4)]
    for document in documents:
        store.save([document])
        store.index()
        store.index()
    store.save([make_document(4)])
    assert found(store, EVERYTHING, MANY) == newest_first([*documents, make_document(4)])


def test_a_closed_store_opens_again_on_use(store):
    store.save([make_document()])
    store.close()
    store.close()
    assert found(store, EVERYTHING, MANY) == [make_document()]


@pytest.mark.parametrize("shared", [True, False], ids=["one-store", "a-store-each"])
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "unprepared"])
def test_of_several_who_save_the_same_at_once_one_is_told_it_was_new(place, shared, prepared):
    documents = [make_document(n) for n in range(10)]
    stores = [place.open()] * 6 if shared else [place.open() for _ in range(6)]
    if prepared:
        place.open().prepare()
    results = all_at_once([lambda store=store: store.save(documents) for store in stores])
    assert newest_first([d for saved in results for d in saved.new]) == newest_first(documents)
    assert [d for saved in results for d in saved.refused] == []
    assert found(stores[0], EVERYTHING, MANY) == newest_first(documents)


# What CouchDB can suffer


@pytest.fixture
def couch_store(couch_place: Place) -> AuditStore:
    store = couch_place.open()
    store.prepare()
    return store


every_fault = pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())


def fail(couch: FakeCouchDB, fault: Fault, monkeypatch: pytest.MonkeyPatch, **options) -> None:
    if fault is Fault.HANG:
        monkeypatch.setattr("billor.audit.couchdb.TIMEOUT_SECONDS", 0.1)
        monkeypatch.setattr("billor.audit.couchdb.INDEX_SECONDS", 0.1)
    couch.fail(fault, **options)


@every_fault
@every_operation_on_couchdb
def test_any_fault_of_couchdb_means_the_store_is_away_until_it_is_mended(
    couch, couch_place, couch_store, monkeypatch, fault, operation
):
    store = couch_place.open()
    fail(couch, fault, monkeypatch)
    with pytest.raises(StoreUnavailable) as error:
        operation(store)
    assert couch.password not in str(error.value)
    couch.mend()
    monkeypatch.undo()
    store.close()  # and connect with the usual patience again
    operation(store)
    assert outcome(store.save([make_document()]))[1] == []
    assert found(store, EVERYTHING, MANY) == [make_document()]


@every_fault
@pytest.mark.parametrize("times", [1, 2])
def test_whichever_request_of_the_first_save_fails_saving_again_leaves_one_document(
    couch, couch_place, couch_store, monkeypatch, fault, times
):
    for answered_before in range(12):  # as many as it takes to make the databases and save
        couch_place.destroy()
        store = couch_place.open()
        fail(couch, fault, monkeypatch, after=answered_before, times=times)
        with suppress(StoreUnavailable):
            store.save([make_document()])
        couch.mend()
        monkeypatch.undo()
        store.close()
        assert outcome(store.save([make_document()]))[1] == []
        assert found(store, EVERYTHING, MANY) == [make_document()]


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DROP_AFTER], ids=["before", "after"])
@every_operation_on_couchdb
def test_one_dropped_connection_is_not_noticed(couch, couch_store, fault, operation):
    couch.fail(fault, times=1)
    operation(couch_store)
    couch_store.save([make_document()])
    couch_store.bury(make_letter())
    assert found(couch_store, EVERYTHING, MANY) == [make_document()]
    assert letters_of(couch_store) == [make_letter()]


def test_a_document_that_couchdb_refuses_is_saved_when_it_takes_it(couch, couch_store):
    documents = [make_document(n) for n in range(3)]
    couch.refuse(documents[1]["_id"])
    with pytest.raises(StoreUnavailable):
        couch_store.save(documents)
    couch.mend()
    assert outcome(couch_store.save(documents)) == ([documents[1]], [])
    assert found(couch_store, EVERYTHING, MANY) == newest_first(documents)


def test_what_couchdb_never_takes_is_told_with_its_reason_and_its_neighbours_are_saved(
    couch, couch_store
):
    good, forbidden, large, other = (make_document(n) for n in range(4))
    large["payload"] = {"text": "x" * 1000}
    couch.forbid(forbidden["_id"])
    couch.max_document_size = 1000
    saved = couch_store.save([good, forbidden, large, other])
    assert saved.new == [good, other]
    reasons = {refusal.document["_id"]: refusal.reason for refusal in saved.refused}
    assert list(reasons) == [forbidden["_id"], large["_id"]]
    assert reasons[forbidden["_id"]] == "forbidden: Not on Sundays."
    assert "document_too_large" in reasons[large["_id"]]
    assert found(couch_store, EVERYTHING, MANY) == [other, good]


@pytest.mark.parametrize(
    ("method", "path_end"),
    [
        ("PUT", ""),
        ("PUT", "-dead-letters"),
        ("HEAD", f"/_design/{DESIGN}"),
        ("PUT", f"/_design/{DESIGN}"),
    ],
)
def test_another_process_may_prepare_the_store_at_the_same_time(
    couch, couch_place, method, path_end
):
    store = couch_place.open()
    couch.before_next(method, path_end, couch_place.open().prepare)
    store.prepare()
    assert outcome(store.save([make_document()])) == ([make_document()], [])


@every_filter
def test_a_page_takes_one_request_for_no_more_rows_than_it_needs(
    couch, couch_store, load_id, driver_id, type_
):
    documents = [make_document(n, loadId=1, driverId=2, type="LOAD_CREATED") for n in range(30)]
    couch_store.save(documents)
    for since, until, after in PLACES_TO_START_AND_END:
        couch.view_sizes.clear()
        found(couch_store, AuditFilter(load_id, driver_id, type_, since, until), 3, after)
        (rows,) = couch.view_sizes
        assert rows <= 3 + 1


def test_a_large_error_page_does_not_mix_up_later_answers(couch, couch_store):
    documents = [make_document(n, loadId=n) for n in (1, 2)]
    couch_store.save(documents)
    couch.fail(Fault.HTML_ERROR, times=1)
    with pytest.raises(StoreUnavailable):
        couch_store.find(EVERYTHING, MANY)
    gc.collect()  # the client's response too, which may give a connection back
    couch.fail(Fault.HANG, times=1)
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(found, couch_store, AuditFilter(load_id=1), MANY)
        couch.wait_until_hanging()
        try:
            assert found(couch_store, AuditFilter(load_id=2), MANY) == [documents[1]]
        finally:
            couch.mend()
        assert slow.result(LONGEST_WAIT_SECONDS) == [documents[0]]


# CouchDB's index


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests wait for the index no longer than a test should take."""
    monkeypatch.setattr("billor.audit.couchdb.TIMEOUT_SECONDS", 0.4)
    monkeypatch.setattr("billor.audit.couchdb.INDEX_SECONDS", 0.2)


def test_indexing_spares_readers_the_wait(couch, couch_store, impatient):
    old, new = [make_document(1)], [make_document(2)]
    couch_store.save(old)
    couch_store.index()
    couch.hold_index()
    assert couch_store.find(EVERYTHING, MANY) == Found(old, is_complete=False)
    couch_store.save(new)
    with pytest.raises(StoreUnavailable):
        couch_store.index()
    couch.mend()
    couch_store.index()  # what it could not do before
    couch.hold_index()
    assert couch_store.find(EVERYTHING, MANY) == Found(new + old, is_complete=False)


def test_nothing_is_indexed_unless_something_may_have_been_saved(couch, couch_place, couch_store):
    for _ in range(3):
        couch_store.index()
    assert couch.view_sizes == [0]
    couch_store.save([make_document()])
    couch.fail(Fault.DROP_AFTER)
    with pytest.raises(StoreUnavailable):
        couch_store.save([make_document(2)])
    couch.mend()
    for _ in range(3):
        couch_store.index()
    assert couch.view_sizes == [0, 0]
    couch_place.open().index()  # by a process that was killed before it could, say
    assert couch.view_sizes == [0, 0, 0]


def test_what_waits_for_the_index_delays_neither_saving_nor_burying(couch, couch_store):
    couch.hold_index()
    with ThreadPoolExecutor(1) as thread:
        indexing = thread.submit(couch_store.index)
        couch.wait_until_hanging()
        couch_store.save([make_document()])
        couch_store.bury(make_letter())
        assert not indexing.done()
        couch.mend()
        indexing.result(LONGEST_WAIT_SECONDS)


def test_a_read_that_would_wait_for_long_tells_what_is_indexed(couch, couch_store, impatient):
    indexed = [make_document(n, loadId=n % 2 + 1) for n in range(6)]
    couch_store.save(indexed)
    assert found(couch_store, EVERYTHING, MANY) == newest_first(indexed)
    couch.hold_index()
    couch_store.save([make_document(n, loadId=n % 2 + 1) for n in range(6, 9)])
    wanted = AuditFilter(load_id=1, until=moment(4))
    assert couch_store.find(EVERYTHING, 3) == Found(newest_first(indexed)[:3], is_complete=False)
    assert couch_store.find(wanted, MANY) == Found(matching(indexed, wanted), is_complete=False)
    couch.mend()
    assert len(found(couch_store, EVERYTHING, MANY)) == 9


def test_a_view_that_is_not_built_yet_finds_nothing_and_says_so(couch, couch_store, impatient):
    couch_store.save([make_document()])
    couch.hold_index()
    assert couch_store.find(EVERYTHING, MANY) == Found([], is_complete=False)


def test_a_server_that_hangs_is_given_no_more_time_than_any(couch, couch_store, impatient):
    couch.fail(Fault.HANG)
    started = monotonic()
    with pytest.raises(StoreUnavailable):
        couch_store.find(EVERYTHING, MANY)
    assert monotonic() - started < 2  # of the 5 that the server would take


# The designs of CouchDB's views


def put_design(place: Place, name: str, age: timedelta | None = None, **views: str) -> None:
    """A design made by another version of ours, or by somebody else."""
    design = {
        "_id": f"_design/{name}",
        "views": {view: {"map": source} for view, source in views.items()},
    }
    if age is not None:
        design["madeAt"] = (datetime.now(UTC) - age).isoformat()
    place.couchdb.save(design)


def designs(place: Place) -> dict[str, str]:
    """The names of all designs, with their revisions."""
    rows = place.couchdb.view("_all_docs", startkey="_design/", endkey="_design0")
    return {row.id.removeprefix("_design/"): row.value["rev"] for row in rows}


def let_pass(place: Place, age: timedelta) -> None:
    """Have our design been made so long ago."""
    design = place.couchdb[f"_design/{DESIGN}"]
    design["madeAt"] = (datetime.now(UTC) - age).isoformat()
    place.couchdb.save(design)


@pytest.mark.parametrize("other", ["audit", "audit-00c0ffee"])
def test_versions_with_different_views_leave_each_other_alone(couch_place, other):
    store = couch_place.open()
    store.save([make_document()])
    put_design(couch_place, other, by_load="function (doc) {}")
    before = designs(couch_place)
    for again in (store, couch_place.open()):
        again.prepare()
        again.index()
        assert found(again, EVERYTHING, MANY) == [make_document()]
    assert designs(couch_place) == before
    assert set(before) == {other, DESIGN}


def test_a_changed_view_is_built_beside_the_one_that_is_in_use(
    couch, couch_place, couch_store, monkeypatch, impatient
):
    """As the worker of a new version does, while the API is still of the old one."""
    couch_store.save([make_document(1)])
    couch_store.index()
    with monkeypatch.context() as patch:
        patch.setattr(couchdb_store, "VIEWS", couchdb_store.VIEWS | {"more": {"map": ""}})
        patch.setattr(couchdb_store, "DESIGN", "audit-00c0ffee")
        newer = couch_place.open()
        newer.prepare()
        couch.hold_index()
        with pytest.raises(StoreUnavailable):
            newer.index()
        assert newer.find(EVERYTHING, MANY) == Found([], is_complete=False)
    assert couch_store.find(EVERYTHING, MANY) == Found([make_document(1)], is_complete=False)


def test_designs_that_no_version_can_be_using_are_removed_with_their_indexes(
    couch, couch_place, couch_store
):
    week = timedelta(days=7, minutes=1)
    put_design(couch_place, "audit", by_load="function (doc) {}")
    put_design(couch_place, "audit-00c0ffee", week, by_filters=KNOWN_MAP, more="")
    put_design(couch_place, "audit-00000bad", timedelta(days=6), by_load="function (doc) {}")
    put_design(couch_place, "audit-by-user", week, by_user="function (doc) {}")
    couch_place.couchdb.view("audit-00c0ffee/by_filters", limit=1).rows  # noqa: B018 - builds it
    found(couch_store, EVERYTHING, 1)
    before = designs(couch_place)
    couch_place.open().prepare()
    assert designs(couch_place) == before, "whoever has just been followed by us may still run"
    let_pass(couch_place, week)
    couch_place.open().prepare()
    assert set(designs(couch_place)) == {DESIGN, "audit-00000bad", "audit-by-user"}
    (database,) = (d for d in couch.databases.values() if f"_design/{DESIGN}" in d.documents)
    assert len(database.indexes) == 1


def test_an_old_design_that_cannot_be_removed_stops_nobody(couch, couch_place, couch_store):
    put_design(couch_place, "audit", by_load="function (doc) {}")
    let_pass(couch_place, timedelta(days=8))
    store = couch_place.open(couch.member_url)
    store.prepare()
    store.save([make_document()])
    assert set(designs(couch_place)) == {"audit", DESIGN}


# Who may do what in CouchDB


@every_operation_on_couchdb
def test_a_member_needs_no_more_rights_once_everything_is_there(
    couch, couch_place, couch_store, operation
):
    operation(couch_place.open(couch.member_url))


@pytest.mark.parametrize("missing", ["database", "dead letters", "design"])
def test_a_missing_right_is_named_with_what_to_do(couch, couch_place, couch_store, missing):
    database = couch_place.couchdb.name
    match missing:
        case "database":
            couch_place.destroy()
            named = f"the database {database}"
        case "dead letters":
            del client.Server(couch.url)[f"{database}-dead-letters"]
            named = f"the database {database}-dead-letters"
        case "design":
            del couch_place.couchdb[f"_design/{DESIGN}"]
            named = f"_design/{DESIGN} in {database}"
    store = couch_place.open(couch.member_url)
    for _ in range(7):  # nor does it lock the account
        with pytest.raises(StoreUnavailable) as error:
            store.prepare()
        assert str(error.value) == (
            f"COUCHDB_URL's user may not create {named}: run the worker once as a server admin"
        )
    couch_place.open().prepare()  # which it says
    store.prepare()
    assert outcome(store.save([make_document()])) == ([make_document()], [])


def test_a_wrong_password_is_tried_once_a_minute_and_locks_no_account(
    couch, couch_place, couch_store, monkeypatch
):
    clock = [1000.0]
    monkeypatch.setattr("billor.audit.couchdb.monotonic", lambda: clock[0])
    store = couch_place.open(couch.url_with("wrong-password"))
    for minute in range(1, 4):
        for operation in COUCHDB_OPERATIONS.values():
            with pytest.raises(StoreUnavailable, match="Name or password is incorrect"):
                operation(store)
            assert couch.wrong_passwords == minute
        clock[0] += 59
        with pytest.raises(StoreUnavailable):
            store.ping()
        assert couch.wrong_passwords == minute
        clock[0] += 1
    couch_store.ping()
    store.close()
    for _ in range(2):  # as other processes with the same mistake would
        with pytest.raises(StoreUnavailable):
            couch_place.open(couch.url_with("wrong-password")).ping()
    with pytest.raises(StoreUnavailable, match="temporarily locked"):
        couch_store.ping()


@every_operation_on_couchdb
def test_a_wrong_password_means_the_store_is_away(couch, couch_place, couch_store, operation):
    with pytest.raises(StoreUnavailable) as error:
        operation(couch_place.open(couch.url_with("wrong-password")))
    assert "wrong-password" not in str(error.value)


@every_operation_on_couchdb
def test_a_server_that_does_not_listen_means_the_store_is_away(operation, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    store = Place(tmp_path).open(f"http://billor:secret@127.0.0.1:{port}")
    with pytest.raises(StoreUnavailable) as error:
        operation(store)
    assert "secret" not in str(error.value)


def test_the_fake_does_not_pretend_to_know_another_map_function(couch, couch_place, couch_store):
    design = couch_place.couchdb[f"_design/{DESIGN}"]
    design["views"]["by_filters"]["map"] += "\n"
    couch_place.couchdb.save(design)
    with pytest.raises(StoreUnavailable):
        found(couch_store, EVERYTHING, MANY)
    assert couch.surprises
    couch.surprises.clear()


# What a SQLite file can suffer


@pytest.fixture(params=["folder is a file", "file is a folder", "no database"])
def unusable_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "home" / "audit.sqlite3"
    match request.param:
        case "folder is a file":
            file.parent.write_text("")
        case "file is a folder":
            file.mkdir(parents=True)
        case "no database":
            file.parent.mkdir()
            file.write_bytes(b"not a database " * 1000)
    return file


@pytest.fixture
def sqlite_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to SQLite, the values written out."""
    statements: list[str] = []

    def connect(*args, connect=sqlite3.connect, **options) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr("billor.audit.sqlite.sqlite3.connect", connect)
    return statements


@every_filter
def test_a_page_is_one_range_of_the_index_of_just_its_filters(
    sqlite_statements, tmp_path, load_id, driver_id, type_
):
    filters = {"load_id": load_id, "driver_id": driver_id, "type": type_}
    given = [column for column, value in filters.items() if value]
    index = f"audit_by_{'_'.join(given).replace('_id', '') or 'time'}"
    for since, until, after in PLACES_TO_START_AND_END:
        bounds = [
            *(f"{column}=?" for column in given),
            *(["timestamp>?"] if since else []),
            *(["(timestamp,id)<(?,?)"] if until or after else []),
        ]
        expected = f"SEARCH audit USING INDEX {index} ({' AND '.join(bounds)})"
        sqlite_statements.clear()
        store = SqliteStore(tmp_path / "audit.sqlite3")
        found(store, AuditFilter(load_id, driver_id, type_, since, until), 3, after)
        (search,) = (sent for sent in sqlite_statements if sent.startswith("SELECT document"))
        with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
            plan = [step[-1] for step in file.execute(f"EXPLAIN QUERY PLAN {search}")]
        assert plan == [expected if bounds else f"SCAN audit USING INDEX {index}"]


def test_a_missing_folder_is_made(tmp_path: Path):
    store = SqliteStore(tmp_path / "new" / "folder" / "audit.sqlite3")
    assert found(store, EVERYTHING, MANY) == []


@every_operation
def test_a_file_that_cannot_be_used_means_the_store_is_away(unusable_file, operation):
    with pytest.raises(StoreUnavailable):
        operation(SqliteStore(unusable_file))


@every_operation
def test_a_damaged_file_means_the_store_is_away(tmp_path, operation):
    file = tmp_path / "audit.sqlite3"
    store = SqliteStore(file)
    store.save([make_document(n) for n in range(100)])
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(StoreUnavailable):
        operation(store)


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path):
    file = tmp_path / "audit.sqlite3"
    with closing(sqlite3.connect(file)) as other, ThreadPoolExecutor(1) as thread:
        other.execute("BEGIN IMMEDIATE")
        saving = thread.submit(SqliteStore(file).save, [make_document()])
        wait([saving], timeout=0.2)  # a store that does not wait has failed by now
        other.rollback()
        assert outcome(saving.result(LONGEST_WAIT_SECONDS)) == ([make_document()], [])


@pytest.mark.parametrize("operation", ["save", "bury"])
def test_what_another_process_locks_can_be_read_and_is_written_later(
    tmp_path, monkeypatch, operation
):
    monkeypatch.setattr("billor.audit.sqlite.BUSY_SECONDS", 0.05)
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.save([make_document(2)])
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable):
            OPERATIONS[operation](store)
        assert found(store, EVERYTHING, MANY) == [make_document(2)]
        assert store.dead_letters() == []
    OPERATIONS[operation](store)
    assert len(found(store, EVERYTHING, MANY) + store.dead_letters()) == 2


def test_a_file_of_a_later_version_is_not_taken_back(tmp_path):
    SqliteStore(tmp_path / "audit.sqlite3").prepare()
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
        file.execute("PRAGMA user_version = 99")
        SqliteStore(tmp_path / "audit.sqlite3").prepare()
        assert file.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_file_of_an_earlier_version_gets_the_indexes_it_lacks(tmp_path):
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.save([make_document(1)])
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
        file.execute("DROP INDEX audit_by_driver_type")
        file.execute("PRAGMA user_version = 2")
    wanted = AuditFilter(driver_id=10**9, type="LOAD_CREATED")
    assert store.find(wanted, MANY).documents == []
