"""The audit stores: the contract of all of them, then the faults of each.

CouchDB is a fake in this process; with TEST_COUCHDB_URL, which names user and password, a real one
is tested besides.
"""

import copy
import gc
import json
import os
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from threading import Barrier

import couchdb as client
import pytest
from couchdb.http import ResourceNotFound

from billor.audit import couchdb as couchdb_store
from billor.audit.connect import connect_store
from billor.audit.couchdb import DESIGN
from billor.audit.sqlite import SqliteStore
from billor.audit.store import (
    AccountFilter,
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
    """An audit document; a higher number makes a later timestamp and a higher id."""
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
    """All dead letters of a store, with their data."""
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
    """What a store with these documents must find."""
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
    """What a store finds, which must be complete."""
    documents, is_complete = store.find(*search)
    assert is_complete
    return documents


def outcome(saved: Saved) -> tuple[list, list]:
    return list(saved.new), [refusal.document for refusal in saved.refused]


def all_at_once(actions: Sequence[Callable]) -> list:
    """Run each in a thread of its own, all at the same moment."""
    barrier = Barrier(len(actions))

    def run(action):
        barrier.wait(LONGEST_WAIT_SECONDS)
        return action()

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions))


# What may be called on an empty store and repeated.
OPERATIONS = {
    "prepare": lambda store: store.prepare(),
    "ping": lambda store: store.ping(),
    "remove": lambda store: store.remove([make_document()["_id"]]),
    "save": lambda store: store.save([make_document()]),
    "find": lambda store: store.find(EVERYTHING, MANY),
    "missing": lambda store: store.missing([make_document()["_id"]]),
    "get": lambda store: store.get([make_document()["_id"]]),
    "page": lambda store: store.page(MANY),
    "bury": lambda store: store.bury(make_letter()),
    "dead_letters": lambda store: store.dead_letters(),
}
COUCHDB_OPERATIONS = OPERATIONS | {"index": lambda store: store.index()}


def unavailable(name: str, operation: Callable, store: AuditStore) -> str:
    """Check that an operation raises `StoreUnavailable`; return the message."""
    try:
        operation(store)
    except StoreUnavailable as error:
        return str(error)
    pytest.fail(f"{name} did not raise StoreUnavailable")


class Place:
    """A database or file that any number of stores may open."""

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
        """Delete the file or the databases."""
        for file in self._folder.glob("audit.sqlite3*"):
            file.unlink()
        if self._couchdb_url:
            server = client.Server(self._couchdb_url)
            for name in (self._database, f"{self._database}-dead-letters"):
                with suppress(ResourceNotFound):
                    server.delete(name)

    @property
    def couchdb(self) -> client.Database:
        """The documents' database, for changes behind the store's back."""
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


def test_missing_returns_the_unknown_ids(store: AuditStore):
    documents = [make_document(number) for number in range(3)]
    store.save(documents)
    ids = [document["_id"] for document in documents]
    unknown = [make_document(number)["_id"] for number in (7, 8)]
    assert store.missing([*unknown, *ids]) == set(unknown)
    assert store.missing(ids) == set()
    assert store.missing([]) == set()


def test_documents_are_got_by_their_ids(store: AuditStore):
    documents = [make_document(0), make_account_document(1), make_document(2)]
    store.save(documents)
    unknown = make_document(7)["_id"]
    ids = [documents[2]["_id"], unknown, documents[1]["_id"]]
    assert sorted(store.get(ids), key=lambda row: row["_id"]) == documents[1:]
    assert store.get([unknown]) == store.get([]) == []


def test_all_documents_are_paged_by_id(store: AuditStore):
    numbers = [n << 120 for n in range(0, 256, 17)]  # from 00… to ff…, around design documents
    documents = [
        make_account_document(n) if n % 3 else make_document(n, timestamp=moment(n % 7))
        for n in numbers
    ]
    store.save(documents)
    for limit in (1, 4, len(documents), MANY):
        seen = page = store.page(limit)
        while page:
            assert len(page) <= limit
            page = store.page(limit, after=seen[-1]["_id"])
            seen = seen + page
        assert seen == documents


def test_removed_documents_are_gone_and_may_be_stored_again(store: AuditStore):
    documents = [make_document(0), make_account_document(1), make_document(2)]
    store.save(documents)
    gone = [documents[n]["_id"] for n in (0, 1)]
    for _ in range(2):
        store.remove([*gone, make_document(7)["_id"]])
        assert store.missing([document["_id"] for document in documents]) == set(gone)
        assert store.get(gone) == []
        assert store.page(MANY) == found(store, EVERYTHING, MANY) == documents[2:]
        assert found(store, AccountFilter(), MANY) == []
    store.remove([])
    assert outcome(store.save(documents)) == (documents[:2], [])
    assert found(store, AccountFilter(), MANY) == documents[1:2]


PAYLOADS = [
    {},
    {"emoji 🚚": "🚚 Zażółć 漢字 \x00 \u2028 \\ \" '"},
    {"_id": "x", "_rev": "1-x", "": [], "values": [None, True, 0, -1.5, 1e300, 2**53, {}]},
    {"load": {"lines": [{"n": n, "text": "x" * 90, "at": {"🚚": [n]}} for n in range(5000)]}},
    {"deep": json.loads("[" * 50 + "]" * 50)},
]


def test_documents_are_found_as_saved(store):
    documents = [make_document(n, payload=payload) for n, payload in enumerate(PAYLOADS)]
    documents.append(make_document(9, driverId=None, assignmentId=None, requestId=None))
    expected = copy.deepcopy(documents)
    assert outcome(store.save(documents)) == (expected, [])
    assert documents == expected  # nothing was added to the arguments
    assert found(store, EVERYTHING, MANY) == newest_first(expected)


def test_saving_again_reports_nothing_new(store):
    document = make_document()
    in_another_order = dict(reversed(document.items()))
    assert outcome(store.save([document, dict(document)])) == ([document], [])
    for again in (document, in_another_order):
        assert outcome(store.save([again])) == ([], [])
    assert found(store, EVERYTHING, MANY) == [document]


def test_another_document_with_the_same_id_is_refused(store):
    document = make_document()
    store.save([document])
    for difference in (
        {"payload": {"load": None}},
        {"requestId": None},
        {"timestamp": moment(2), "loadId": 43},
    ):
        assert outcome(store.save([document | difference])) == ([], [document | difference])
    assert found(store, EVERYTHING, MANY) == [document]


def test_each_document_of_a_batch_is_judged_by_itself(store):
    stored = [make_document(n) for n in range(4)]
    store.save(stored)
    new = [make_document(n) for n in range(4, 8)]
    others = [make_document(n, loadId=1) for n in (1, 3)]
    twice = make_document(7, loadId=1)
    batch = [new[0], stored[0], others[0], new[1], new[2], stored[2], others[1], new[3], twice]
    assert outcome(store.save(batch)) == (new, [*others, twice])
    assert found(store, EVERYTHING, MANY) == newest_first(stored + new)


FILTERS = list(product((None, 1), (None, 2), (None, "LOAD_CREATED")))
# Neighbours are a microsecond apart, or months.
TIMES = [
    "2025-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00.000000Z",
    "2026-10-01T00:00:00.000009Z",
    "2026-10-01T00:00:00.000010Z",
]
BOUNDS = [None, "0001-01-01T00:00:00.000000Z", *TIMES, "2026-10-01T00:00:00.000011Z"]
AFTER = (moment(5), str(uuid.UUID(int=5)))
SEARCHES = [
    *(
        (AuditFilter(1, 2, None, *range_), after)
        for *range_, after in product((None, moment(1)), (None, moment(9)), (None, AFTER))
    ),
    *((AuditFilter(*filters), None) for filters in FILTERS),
    *((AuditFilter(*filters, moment(1), moment(9)), AFTER) for filters in FILTERS),
]
"""Every combination of filters, and of bounds: what to find, and after which position."""


def test_documents_are_found_by_every_filter_and_range(store):
    fields = product((1, 2), (1, 2, None), ("ASSIGNED", "LOAD_CREATED"), TIMES)
    documents = [
        make_document(n, loadId=load, driverId=driver, type=name, timestamp=time)
        for n, (load, driver, name, time) in enumerate(fields)
    ]
    store.save(documents)
    for wanted in (
        *(AuditFilter(*filters) for filters in FILTERS),
        *(AuditFilter(*filters, TIMES[1], TIMES[3]) for filters in FILTERS),
        *(AuditFilter(None, 2, None, *range_) for range_ in product(BOUNDS, BOUNDS)),
    ):
        assert found(store, wanted, MANY) == matching(documents, wanted), wanted


def make_account_document(number: int, **fields) -> AuditDocument:
    document = make_document(number, type="USER_CREATED", userId=1)
    for name in ("loadId", "driverId", "assignmentId"):
        del document[name]
    return document | fields


def test_documents_of_accounts_are_found_by_filters_and_apart_from_loads(store):
    accounts = [
        make_account_document(n, userId=user, type=name)
        for n, (user, name) in enumerate(product((1, 2, None), ("USER_CREATED", "ROLE_CHANGED")))
    ]
    load = make_document(9, type="ROLE_CHANGED", loadId=1)
    assert outcome(store.save([*accounts, load])) == ([*accounts, load], [])
    assert found(store, EVERYTHING, MANY) == [load]
    for user_id, type_ in product((None, 1, 2, 3), (None, "ROLE_CHANGED")):
        expected = [
            document
            for document in newest_first(accounts)
            if user_id in (None, document["userId"]) and type_ in (None, document["type"])
        ]
        assert found(store, AccountFilter(user_id, type_), MANY) == expected
    within = AccountFilter(since=moment(1), until=moment(3))
    assert found(store, within, MANY) == [accounts[2], accounts[1]]
    assert found(store, AccountFilter(), MANY, position(accounts[2])) == [accounts[1], accounts[0]]


def test_a_document_of_an_account_is_stored_once_and_never_replaced(store):
    document = make_account_document(1)
    assert outcome(store.save([document])) == ([document], [])
    assert outcome(store.save([document])) == ([], [])
    other, of_load = document | {"userId": 2}, make_document(1)
    assert outcome(store.save([other, of_load])) == ([], [other, of_load])
    unknown = str(uuid.UUID(int=2))
    assert store.missing([document["_id"], unknown]) == {unknown}


def test_find_sorts_newest_first_and_equal_times_by_id(store):
    documents = [make_document(n, timestamp=moment(n % 3)) for n in (5, 0, 8, 3, 1, 7, 2, 6, 4)]
    store.save(documents)
    numbers = [uuid.UUID(document["_id"]).int for document in found(store, EVERYTHING, MANY)]
    assert numbers == [8, 5, 2, 7, 4, 1, 6, 3, 0]
    assert found(store, EVERYTHING, 4) == newest_first(documents)[:4]


@pytest.mark.parametrize(
    ("wanted", "limit"),
    [
        (EVERYTHING, 2),
        (AuditFilter(load_id=1, since=moment(2)), 1),
        (AuditFilter(load_id=1, until=moment(6)), 2),
        (AuditFilter(since=moment(2), until=moment(6)), 3),
    ],
    ids=["everything", "since", "until", "range"],
)
def test_paging_returns_each_document_once_while_new_ones_arrive(store, wanted, limit):
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


def test_position_need_not_match_the_filter(store):
    documents = [make_document(n, loadId=n % 2) for n in range(6)]
    store.save(documents)
    page = found(store, AuditFilter(load_id=1), MANY, position(documents[4]))
    assert page == [documents[3], documents[1]]
    assert found(store, EVERYTHING, 2, (moment(3), "")) == [documents[2], documents[1]]
    for number, expected in ((5, [3, 2]), (4, [3, 2]), (3, [2]), (2, []), (1, []), (0, [])):
        wanted = AuditFilter(since=moment(2), until=moment(4))
        page = found(store, wanted, MANY, position(documents[number]))
        assert page == [documents[n] for n in expected], number


def test_empty_store_finds_nothing(store):
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


def test_any_operation_recreates_a_deleted_store(place):
    used = place.open()
    used.save([make_document()])
    for operation in COUCHDB_OPERATIONS.values():
        for store in (used, place.open()):
            place.destroy()
            operation(store)
            assert outcome(store.save([make_document(2)])) == ([make_document(2)], [])


def test_dead_letters_keep_raw_bytes_and_are_listed_oldest_first(store):
    oldest, middle, newest = (
        DeadLetter(data, attributes, reason, make_letter(received=received).received_at)
        for data, attributes, reason, received in [
            (b"\xff\xfe\x00 not UTF-8", {"id": "1", "emoji 🚚": "é\n"}, "not JSON: 🚚", 0),
            (b"", {}, "", 1),
            (b"\xff" * 9_900_000, {"type": "load.created"}, "too big", 1_000_000),
        ]
    )
    for letter in (middle, newest, oldest):
        store.bury(letter)
    assert letters_of(store) == [oldest, middle, newest]


def test_repeated_dead_letter_is_kept_once(store):
    for received in (0, 5):
        store.bury(make_letter(received=received))
    assert letters_of(store) == [make_letter()]
    assert found(store, EVERYTHING, MANY) == []


def test_removed_dead_letter_may_be_buried_again(store):
    kept, removed = make_letter(b"kept"), make_letter(b"removed", received=1)
    for letter in (kept, removed):
        store.bury(letter)
    for _ in range(2):
        store.remove_dead_letter(removed.id)
        assert letters_of(store) == [kept]
    store.bury(removed)
    assert letters_of(store) == [kept, removed]


def test_find_returns_documents_saved_before_and_after_indexing(store):
    documents = [make_document(n) for n in range(4)]
    for document in documents:
        store.save([document])
        store.index()
        store.index()
    store.save([make_document(4)])
    assert found(store, EVERYTHING, MANY) == newest_first([*documents, make_document(4)])


def test_closed_store_reopens_on_use(store):
    store.save([make_document()])
    store.close()
    store.close()
    assert found(store, EVERYTHING, MANY) == [make_document()]


def test_concurrent_saves_report_each_document_new_once(place):
    documents = [make_document(n) for n in range(10)]
    stores = [place.open()] * 3 + [place.open() for _ in range(3)]  # none of them prepared
    results = all_at_once([lambda store=store: store.save(documents) for store in stores])
    assert newest_first([d for saved in results for d in saved.new]) == newest_first(documents)
    assert [d for saved in results for d in saved.refused] == []
    assert found(stores[0], EVERYTHING, MANY) == newest_first(documents)


# CouchDB's faults


@pytest.fixture
def couch_store(couch_place: Place) -> AuditStore:
    store = couch_place.open()
    store.prepare()
    return store


@contextmanager
def failing(couch: FakeCouchDB, fault: Fault, **options) -> Iterator[None]:
    """Have CouchDB fail within the block, with short timeouts for a hang."""
    with pytest.MonkeyPatch.context() as patch:
        if fault is Fault.HANG:
            for name in ("TIMEOUT_SECONDS", "INDEX_SECONDS", "PING_SECONDS"):
                patch.setattr(couchdb_store, name, 0.1)
        couch.fail(fault, **options)
        yield
    couch.mend()


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_every_fault_makes_every_operation_unavailable_until_mended(
    couch, couch_place, couch_store, fault
):
    stores = {name: couch_place.open() for name in COUCHDB_OPERATIONS}
    with failing(couch, fault):
        for name, operation in COUCHDB_OPERATIONS.items():
            assert couch.password not in unavailable(name, operation, stores[name])
    for name, operation in COUCHDB_OPERATIONS.items():
        stores[name].close()  # and connect with the usual timeout again
        operation(stores[name])
    assert outcome(couch_store.save([make_document()]))[1] == []
    assert found(couch_store, EVERYTHING, MANY) == [make_document()]


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (Fault.SERVER_ERROR, 1),  # stands for every answered error
        (Fault.EMPTY_OBJECT, 1),
        (Fault.HANG, 1),
        (Fault.DROP, 2),  # the client sends a request once more
        (Fault.DROP_AFTER, 1),
        (Fault.DROP_AFTER, 2),
        (Fault.TRUNCATED, 1),
    ],
    ids=lambda value: getattr(value, "name", str(value)).lower(),
)
def test_retry_of_a_failed_first_save_leaves_one_document(couch, couch_place, fault, times):
    couch_place.open().save([make_document()])
    for answered_before in range(len(couch.requests)):
        couch_place.destroy()
        store = couch_place.open()
        with (
            failing(couch, fault, after=answered_before, times=times),
            suppress(StoreUnavailable),
        ):
            store.save([make_document()])
        store.close()
        assert outcome(store.save([make_document()]))[1] == []
        assert found(store, EVERYTHING, MANY) == [make_document()]


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DROP_AFTER], ids=["before", "after"])
def test_one_dropped_connection_is_retried(couch, couch_store, fault):
    for operation in COUCHDB_OPERATIONS.values():
        couch.fail(fault, times=1)
        operation(couch_store)
    assert found(couch_store, EVERYTHING, MANY) == [make_document()]
    assert letters_of(couch_store) == [make_letter()]


def test_deleted_document_is_missing_and_may_be_saved_again(couch_place, couch_store):
    document = make_document()
    couch_store.save([document])
    couch_place.couchdb.delete(couch_place.couchdb[document["_id"]])
    assert couch_store.missing([document["_id"]]) == {document["_id"]}
    assert outcome(couch_store.save([document])) == ([document], [])
    assert couch_store.missing([document["_id"]]) == set()


def test_dead_letter_of_an_earlier_version_is_readable(couch_place, couch_store):
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


def test_design_document_is_no_dead_letter(couch_place, couch_store):
    couch_store.bury(make_letter())
    couch_place.dead_letters.save({"_id": "_design/by-reason", "language": "query"})
    assert letters_of(couch_store) == [make_letter()]


def test_revision_conflict_of_a_missing_document_fails_the_save(couch, couch_store):
    documents = [make_document(n) for n in range(3)]
    couch.refuse(documents[1]["_id"])
    with pytest.raises(StoreUnavailable):
        couch_store.save(documents)
    couch.mend()
    assert outcome(couch_store.save(documents)) == ([documents[1]], [])
    assert found(couch_store, EVERYTHING, MANY) == newest_first(documents)


def test_document_refused_for_good_is_reported_with_its_reason(couch, couch_store):
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


def test_another_process_may_prepare_the_store_meanwhile(couch, couch_place):
    for method, path_end in (
        ("PUT", ""),
        ("PUT", "-dead-letters"),
        ("HEAD", f"/_design/{DESIGN}"),
        ("PUT", f"/_design/{DESIGN}"),
    ):
        couch_place.destroy()
        store = couch_place.open()
        couch.before_next(method, path_end, couch_place.open().prepare)
        store.prepare()
        assert outcome(store.save([make_document()])) == ([make_document()], [])


def test_page_takes_one_request_for_no_more_rows_than_needed(couch, couch_store):
    documents = [make_document(n, loadId=1, driverId=2, type="LOAD_CREATED") for n in range(30)]
    couch_store.save(documents)
    for search in SEARCHES:
        wanted, after = search
        couch.view_sizes.clear()
        found(couch_store, wanted, 3, after)
        (rows,) = couch.view_sizes
        assert rows <= 3 + 1, search


def test_large_error_page_does_not_mix_up_later_answers(couch, couch_store):
    documents = [make_document(n, loadId=n) for n in (1, 2)]
    couch_store.save(documents)
    couch.fail(Fault.HTML_ERROR, times=1)
    with pytest.raises(StoreUnavailable):
        couch_store.find(EVERYTHING, MANY)
    gc.collect()  # the client's response, which may release a connection
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
    """Shorten the wait for the index."""
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
    couch_store.index()  # which failed before
    couch.hold_index()
    assert couch_store.find(EVERYTHING, MANY) == Found(new + old, is_complete=False)


def test_index_is_built_only_after_a_save(couch, couch_place, couch_store):
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
    couch_place.open().index()  # another process may have saved and died
    assert couch.view_sizes == [0, 0, 0]


def test_indexing_delays_neither_saving_nor_burying(couch, couch_store):
    couch.hold_index()
    with ThreadPoolExecutor(1) as thread:
        indexing = thread.submit(couch_store.index)
        couch.wait_until_hanging()
        couch_store.save([make_document()])
        couch_store.bury(make_letter())
        assert not indexing.done()
        couch.mend()
        indexing.result(LONGEST_WAIT_SECONDS)


def test_find_returns_the_indexed_documents_after_a_timeout(couch, couch_store, impatient):
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


# The designs of CouchDB's views


def put_design(place: Place, name: str, age: timedelta | None = None, **views: str) -> None:
    """Save a design of another version or another user."""
    design = {
        "_id": f"_design/{name}",
        "views": {view: {"map": source} for view, source in views.items()},
    }
    if age is not None:
        design["madeAt"] = (datetime.now(UTC) - age).isoformat()
    place.couchdb.save(design)


def designs(place: Place) -> dict[str, str]:
    """The revisions of all designs by name."""
    rows = place.couchdb.view("_all_docs", startkey="_design/", endkey="_design0")
    return {row.id.removeprefix("_design/"): row.value["rev"] for row in rows}


def age_design(place: Place, age: timedelta) -> None:
    """Backdate the current design."""
    design = place.couchdb[f"_design/{DESIGN}"]
    design["madeAt"] = (datetime.now(UTC) - age).isoformat()
    place.couchdb.save(design)


def test_designs_of_other_versions_are_left_alone(couch_place):
    store = couch_place.open()
    store.save([make_document()])
    others = {"audit", "audit-00c0ffee"}
    for other in others:
        put_design(couch_place, other, by_load="function (doc) {}")
    before = designs(couch_place)
    for again in (store, couch_place.open()):
        again.prepare()
        again.index()
        assert found(again, EVERYTHING, MANY) == [make_document()]
    assert designs(couch_place) == before
    assert set(before) == {*others, DESIGN}


def test_changed_view_is_built_beside_the_one_in_use(
    couch, couch_place, couch_store, monkeypatch, impatient
):
    """As when the worker is of a newer version than the API."""
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


def test_old_designs_are_removed_with_their_indexes(couch, couch_place, couch_store):
    week = timedelta(days=7, minutes=1)
    put_design(couch_place, "audit", by_load="function (doc) {}")
    put_design(couch_place, "audit-00c0ffee", week, by_filters=KNOWN_MAP, more="")
    put_design(couch_place, "audit-00000bad", timedelta(days=6), by_load="function (doc) {}")
    put_design(couch_place, "audit-by-user", week, by_user="function (doc) {}")
    couch_place.couchdb.view("audit-00c0ffee/by_filters", limit=1).rows  # noqa: B018 - builds it
    found(couch_store, EVERYTHING, 1)
    before = designs(couch_place)
    couch_place.open().prepare()
    assert designs(couch_place) == before, "the version before may still run"
    age_design(couch_place, week)
    couch_place.open().prepare()
    assert set(designs(couch_place)) == {DESIGN, "audit-00000bad", "audit-by-user"}
    (database,) = (d for d in couch.databases.values() if f"_design/{DESIGN}" in d.documents)
    assert len(database.indexes) == 1


def test_old_design_stays_without_the_right_to_remove_it(couch, couch_place, couch_store):
    put_design(couch_place, "audit", by_load="function (doc) {}")
    age_design(couch_place, timedelta(days=8))
    store = couch_place.open(couch.member_url)
    store.prepare()
    store.save([make_document()])
    assert set(designs(couch_place)) == {"audit", DESIGN}


# Rights in CouchDB


def test_member_of_a_prepared_database_may_do_everything(couch, couch_place, couch_store):
    for operation in COUCHDB_OPERATIONS.values():
        operation(couch_place.open(couch.member_url))


@pytest.mark.parametrize("missing", ["database", "dead letters", "design"])
def test_missing_right_is_named_with_its_remedy(couch, couch_place, couch_store, missing):
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
    for _ in range(7):  # which does not lock the account
        with pytest.raises(StoreUnavailable) as error:
            store.prepare()
        assert str(error.value) == (
            f"COUCHDB_URL's user may not create {named}: run the worker once as a server admin"
        )
    couch_place.open().prepare()
    store.prepare()
    assert outcome(store.save([make_document()])) == ([make_document()], [])


def test_wrong_password_is_tried_once_a_minute(couch, couch_place, couch_store, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("billor.audit.couchdb.monotonic", lambda: clock[0])
    store = couch_place.open(couch.url_with("wrong-password"))
    for minute in range(1, 4):
        for name, operation in COUCHDB_OPERATIONS.items():
            message = unavailable(name, operation, store)
            assert "Name or password is incorrect" in message
            assert "wrong-password" not in message
            assert couch.wrong_passwords == minute
        clock[0] += 59
        with pytest.raises(StoreUnavailable):
            store.ping()
        assert couch.wrong_passwords == minute
        clock[0] += 1
    couch_store.ping()
    store.close()
    for _ in range(2):  # as other processes would
        with pytest.raises(StoreUnavailable):
            couch_place.open(couch.url_with("wrong-password")).ping()
    with pytest.raises(StoreUnavailable, match="temporarily locked"):
        couch_store.ping()


def test_refused_connection_makes_every_operation_unavailable(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    store = Place(tmp_path).open(f"http://billor:secret@127.0.0.1:{port}")
    for name, operation in COUCHDB_OPERATIONS.items():
        assert "secret" not in unavailable(name, operation, store)


# SQLite's faults


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
    """The statements sent to SQLite, with their values."""
    statements: list[str] = []

    def connect(*args, connect=sqlite3.connect, **options) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr("billor.audit.sqlite.sqlite3.connect", connect)
    return statements


def test_page_is_one_range_of_the_index_of_its_filters(sqlite_statements, tmp_path):
    store = SqliteStore(tmp_path / "audit.sqlite3")
    for wanted, after in SEARCHES:
        filters = {"load_id": wanted.load_id, "driver_id": wanted.driver_id, "type": wanted.type}
        given = [column for column, value in filters.items() if value]
        index = f"audit_by_{'_'.join(given).replace('_id', '') or 'time'}"
        bounds = [
            *(f"{column}=?" for column in given),
            *(["timestamp>?"] if wanted.since else []),
            *(["(timestamp,id)<(?,?)"] if wanted.until or after else []),
        ]
        sqlite_statements.clear()
        found(store, wanted, 3, after)
        (search,) = (sent for sent in sqlite_statements if sent.startswith("SELECT document"))
        with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
            plan = [step[-1] for step in file.execute(f"EXPLAIN QUERY PLAN {search}")]
        range_ = f"SEARCH audit USING INDEX {index} ({' AND '.join(bounds)})"
        assert plan == [range_ if bounds else f"SCAN audit USING INDEX {index}"]


def test_missing_folder_is_made(tmp_path: Path):
    store = SqliteStore(tmp_path / "new" / "folder" / "audit.sqlite3")
    assert found(store, EVERYTHING, MANY) == []


def test_unusable_file_makes_every_operation_unavailable(unusable_file):
    for name, operation in OPERATIONS.items():
        unavailable(name, operation, SqliteStore(unusable_file))


def test_damaged_file_makes_every_operation_unavailable(tmp_path):
    file = tmp_path / "audit.sqlite3"
    store = SqliteStore(file)
    store.save([make_document(n) for n in range(100)])
    content = file.read_bytes()
    for name, operation in OPERATIONS.items():
        file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
        unavailable(name, operation, store)


def test_save_waits_for_a_process_that_makes_the_file(tmp_path):
    file = tmp_path / "audit.sqlite3"
    with closing(sqlite3.connect(file)) as other, ThreadPoolExecutor(1) as thread:
        other.execute("BEGIN IMMEDIATE")
        saving = thread.submit(SqliteStore(file).save, [make_document()])
        wait([saving], timeout=0.2)  # a store that does not wait has failed by now
        other.rollback()
        assert outcome(saving.result(LONGEST_WAIT_SECONDS)) == ([make_document()], [])


def test_locked_file_can_be_read_and_is_written_later(tmp_path, monkeypatch):
    monkeypatch.setattr("billor.audit.sqlite.BUSY_SECONDS", 0.05)
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.save([make_document(2)])
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as other:
        other.execute("BEGIN EXCLUSIVE")
        for name in ("save", "bury"):
            unavailable(name, OPERATIONS[name], store)
        assert found(store, EVERYTHING, MANY) == [make_document(2)]
        assert store.dead_letters() == []
    for name in ("save", "bury"):
        OPERATIONS[name](store)
    assert found(store, EVERYTHING, MANY) == [make_document(2), make_document()]
    assert letters_of(store) == [make_letter()]


def test_file_of_a_later_version_is_not_downgraded(tmp_path):
    SqliteStore(tmp_path / "audit.sqlite3").prepare()
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
        file.execute("PRAGMA user_version = 99")
        SqliteStore(tmp_path / "audit.sqlite3").prepare()
        assert file.execute("PRAGMA user_version").fetchone() == (99,)


def test_file_of_an_earlier_version_gets_its_missing_indexes(tmp_path):
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.save([make_document(1)])
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
        file.execute("DROP INDEX audit_by_driver_type")
        file.execute("DROP TABLE account_audit")
        file.execute("PRAGMA user_version = 2")
    wanted = AuditFilter(driver_id=10**9, type="LOAD_CREATED")
    assert store.find(wanted, MANY).documents == []
    assert store.find(AccountFilter(), MANY).documents == []


def test_file_of_an_earlier_version_keeps_its_documents_and_takes_drivers(tmp_path):
    """Before version 5 each document had a load."""
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.save([make_document(1)])
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as file:
        columns = "id TEXT PRIMARY KEY, load_id INTEGER NOT NULL, driver_id INTEGER,"
        columns += " type TEXT NOT NULL, timestamp TEXT NOT NULL, document TEXT NOT NULL"
        file.executescript(
            f"CREATE TABLE older ({columns}) WITHOUT ROWID;"  # noqa: S608 - of constants
            "INSERT INTO older SELECT * FROM audit; DROP TABLE audit;"
            "ALTER TABLE older RENAME TO audit; PRAGMA user_version = 4"
        )
    of_driver = make_document(2) | {"type": "DRIVER_UPDATED", "loadId": None, "driverId": 9}
    store.save([of_driver])
    assert store.find(AuditFilter(driver_id=9), MANY).documents == [of_driver]
    assert make_document(1) in store.find(AuditFilter(), MANY).documents
