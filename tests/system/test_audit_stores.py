"""The audit stores: the contract of both, then the faults of each.

CouchDB is a fake in this process; with TEST_COUCHDB_URL, which names user and password, a real one
is tested as well.
"""

import os
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import product
from pathlib import Path

import couchdb as client
import pytest
from couchdb.http import ResourceNotFound

from billor.audit import couchdb as couchdb_store
from billor.audit.couchdb import CouchStore
from billor.audit.sqlite import SqliteStore
from billor.audit.store import (
    AuditDocument,
    AuditFilter,
    AuditStore,
    StoreUnavailable,
    connect_store,
)
from billor.config import load_config
from tests.support.apps import NEEDED
from tests.support.couchdb_server import FakeCouchDB, Fault

EVERYTHING = AuditFilter()
MANY = 1000
FILTERS = ("load_id", "driver_id", "type", "since", "until")


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
        "payload": {"load": {"id": 42, "origin": "Łódź"}},
        "timestamp": moment(number),
        "requestId": "request-1",
    } | fields


def make_account_document(number: int, user_id: int | None, type_: str) -> AuditDocument:
    document = make_document(number, type=type_, userId=user_id)
    for name in ("driverId", "loadId", "assignmentId"):
        del document[name]
    return document


def newest_first(documents: Sequence[AuditDocument]) -> list[AuditDocument]:
    return sorted(documents, key=lambda each: (each["timestamp"], each["_id"]), reverse=True)


def matching(documents: Sequence[AuditDocument], wanted: AuditFilter) -> list[AuditDocument]:
    """What should be found."""
    return [
        each
        for each in newest_first(documents)
        if wanted.load_id in (None, each["loadId"])
        and wanted.driver_id in (None, each["driverId"])
        and wanted.type in (None, each["type"])
        and (wanted.since or "") <= each["timestamp"] < (wanted.until or "9")
    ]


def found(store: AuditStore, *search) -> list[AuditDocument]:
    """What a store finds, which must be complete."""
    documents, is_complete = store.find(*search)
    assert is_complete
    return documents


def walk(store: AuditStore, wanted: AuditFilter, limit: int) -> Iterator[AuditDocument]:
    """All matches, page by page."""
    after = None
    while page := found(store, wanted, limit, after):
        assert len(page) <= limit
        yield from page
        after = page[-1]["timestamp"], page[-1]["_id"]


@pytest.fixture
def couch_store(couch: FakeCouchDB) -> CouchStore:
    store = CouchStore(couch.url, "billor-audit")
    store.prepare()
    return store


@pytest.fixture(params=["sqlite", "couchdb", "real couchdb"])
def store(request, tmp_path) -> Iterator[AuditStore]:
    """Each store in turn, empty and prepared."""
    settings, name = {"BILLOR_HOME": str(tmp_path)}, f"test-{uuid.uuid4()}"
    real = os.environ.get("TEST_COUCHDB_URL")
    if request.param == "couchdb":
        settings["COUCHDB_URL"] = request.getfixturevalue("couch").url
    elif request.param == "real couchdb":
        if real is None:
            pytest.skip("TEST_COUCHDB_URL is not set: no real CouchDB is tested")
        settings["COUCHDB_URL"] = real
    config = load_config(NEEDED | settings)
    store = connect_store(config.couchdb_url, name, config.home)
    assert type(store) is (SqliteStore if request.param == "sqlite" else CouchStore)
    store.prepare()
    yield store
    if request.param == "real couchdb":
        for database in (name, f"{name}-dead-letters"):
            with suppress(ResourceNotFound):
                client.Server(real).delete(database)


def test_documents_are_found_as_saved_however_often(store):
    documents = [make_document(number) for number in range(3)]
    assert found(store, EVERYTHING, MANY) == []
    store.save(documents[:2])
    store.save(documents)
    store.save([documents[0], documents[0]])
    store.save([make_document(1, payload={"another": "one"})])
    store.prepare()
    assert found(store, EVERYTHING, MANY) == newest_first(documents)


def test_documents_are_found_by_every_filter_and_range(store):
    kinds = product((1, None), (1, 2, None), ("ASSIGNED", "LOAD_CREATED"))
    documents = [
        make_document(number, loadId=load_id, driverId=driver_id, type=type_)
        for number, (load_id, driver_id, type_) in enumerate(kinds)
    ]
    accounts = [make_account_document(100 + n, n, "ROLE_CHANGED") for n in range(3)]
    store.save([*documents, *accounts])
    times = (None, moment(3), moment(8))
    for values in product((None, 1, 9), (None, 1), (None, "ASSIGNED"), times, times):
        wanted = AuditFilter(**dict(zip(FILTERS, values, strict=True)))
        assert found(store, wanted, MANY) == matching(documents, wanted), wanted


def test_documents_of_accounts_are_found_apart_from_those_of_loads(store):
    documents = [
        make_account_document(1, 1, "ROLE_CHANGED"),
        make_account_document(2, 1, "USER_CREATED"),
        make_account_document(3, None, "LOGIN_BLOCKED"),
    ]
    store.save([*documents, make_document(4, driverId=1, loadId=1)])
    for filters, numbers in (
        ({}, [3, 2, 1]),
        ({"user_id": 1}, [2, 1]),
        ({"type": "ROLE_CHANGED"}, [1]),
        ({"user_id": 1, "type": "USER_CREATED", "since": moment(2)}, [2]),
        ({"user_id": 2}, []),
    ):
        wanted = AuditFilter(of_accounts=True, **filters)
        ids = [each["_id"] for each in found(store, wanted, MANY)]
        assert ids == [str(uuid.UUID(int=number)) for number in numbers], filters


def test_pages_have_each_document_once_also_at_equal_times(store):
    documents = [make_document(n, timestamp=moment(n // 3)) for n in range(10)]
    store.save(documents)
    assert list(walk(store, AuditFilter(load_id=42), 2)) == newest_first(documents)
    between = AuditFilter(since=moment(1), until=moment(3))
    assert list(walk(store, between, 2)) == newest_first(documents[3:9])


def test_concurrent_saves_leave_each_document_once(store):
    documents = [make_document(number) for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(store.save, [documents, documents[::-1], documents[5:], documents]))
    assert found(store, EVERYTHING, MANY) == newest_first(documents)


OPERATIONS = {
    "prepare": lambda store: store.prepare(),
    "ping": lambda store: store.ping(),
    "save": lambda store: store.save([make_document()]),
    "find": lambda store: store.find(EVERYTHING, MANY),
}


FAULTS = [fault for fault in Fault if fault not in (Fault.EMPTY_OBJECT, Fault.OPENING)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_of_couchdb_is_an_outage(couch, couch_store, fault, monkeypatch):
    for name in ("TIMEOUT_SECONDS", "INDEX_SECONDS", "PING_SECONDS"):
        monkeypatch.setattr(couchdb_store, name, 0.2)
    monkeypatch.setattr(CouchStore._database, "__defaults__", (0.2,))
    for name, operation in OPERATIONS.items():
        couch.fail(fault)
        with pytest.raises(StoreUnavailable) as outage:
            operation(CouchStore(couch.url, "billor-audit"))
        assert len(str(outage.value)) <= 500, name
        assert couch.password not in str(outage.value), name
        couch.mend()
    monkeypatch.undo()
    for operation in OPERATIONS.values():
        operation(couch_store)
    assert found(couch_store, EVERYTHING, MANY) == [make_document()]


def test_an_answer_about_no_document_fails_the_save(couch, couch_store):
    couch.fail(Fault.EMPTY_OBJECT)
    with pytest.raises(StoreUnavailable):
        couch_store.save([make_document()])


def test_a_refused_document_fails_the_save_and_others_are_stored(couch, couch_store):
    refused = make_document(2)
    couch.forbid(refused["_id"])
    with pytest.raises(StoreUnavailable, match="Not on Sundays"):
        couch_store.save([make_document(1), refused, make_document(3)])
    assert found(couch_store, EVERYTHING, MANY) == [make_document(3), make_document(1)]
    couch.allow(refused["_id"])
    couch_store.save([refused])
    assert len(found(couch_store, EVERYTHING, MANY)) == 3


@pytest.mark.parametrize("path", ["/billor-audit", "audit-1"])
def test_two_processes_may_prepare_couchdb_at_once(couch, path, monkeypatch):
    answer = couch.answer

    def answer_after_another(method: str, target: str, *others):
        if method == "PUT" and target.endswith(path):
            monkeypatch.undo()
            CouchStore(couch.url, "billor-audit").prepare()
        return answer(method, target, *others)

    monkeypatch.setattr(couch, "answer", answer_after_another)
    CouchStore(couch.url, "billor-audit").prepare()


def test_a_database_that_couchdb_is_just_opening_is_waited_for(couch):
    store = CouchStore(couch.url, "billor-audit")
    for operation in OPERATIONS.values():
        couch.fail(Fault.OPENING, times=3)
        operation(store)
    assert found(store, EVERYTHING, MANY) == [make_document()]


@pytest.mark.parametrize("refusal", [401, 500])
def test_system_databases_that_couchdb_lacks_are_made_or_named_once(couch, caplog, refusal):
    """Without them CouchDB logs errors every few seconds."""
    couch.user_is_admin, couch.refusal = False, refusal
    store = CouchStore(couch.url, "billor-audit")
    for _ in range(2):
        store.prepare()
    told = [record.getMessage() for record in caplog.records]
    assert [re.findall(r" (_\w+)", each) for each in told] == [["_users"], ["_replicator"]]
    couch.user_is_admin = True
    CouchStore(couch.url, "billor-audit").prepare()
    assert {"_users", "_replicator"} < set(couch.databases)
    couch.user_is_admin = False  # and may not read those that exist
    CouchStore(couch.url, "billor-audit").prepare()
    assert len(caplog.records) == len(told)


def test_before_the_worker_has_started_couchdb_has_nothing(couch):
    store = CouchStore(couch.url, "billor-audit")
    store.ping()
    assert found(store, EVERYTHING, MANY) == []


def test_pages_have_the_documents_that_lists_lack(couch, couch_store):
    """The row of a list has null for a document that is newer than the request."""
    documents = [
        make_document(n, loadId=n % 2, type=f"TYPE-{n % 3}", timestamp=moment(n // 3))
        for n in range(12)
    ]
    couch_store.save(documents)
    couch.databases["billor-audit"].newer = {documents[n]["_id"] for n in (3, 5, 10)}
    values = ((None, 0, 1), (None, 7), (None, "TYPE-0"), (None, moment(1)), (None, moment(3)))
    for chosen in product(*values):
        wanted = AuditFilter(**dict(zip(FILTERS, chosen, strict=True)))
        assert list(walk(couch_store, wanted, 3)) == matching(documents, wanted), wanted


def test_an_index_that_is_behind_is_waited_for_once(couch, couch_store, monkeypatch):
    couch_store.save([make_document(1)])
    assert found(couch_store, EVERYTHING, MANY) == [make_document(1)]
    couch_store.save([make_document(2)])
    couch.hold_index()
    before = len(couch.requests)
    with monkeypatch.context() as patched:
        patched.setattr(couchdb_store, "INDEX_SECONDS", 0.3)
        for _ in range(3):
            assert couch_store.find(EVERYTHING, MANY) == ([make_document(1)], False)
    views = [request for request in couch.requests[before:] if "/_view/" in request]
    assert ["update=false" in view for view in views] == [False, True, True, True]
    couch.mend()
    monkeypatch.setattr(couchdb_store, "monotonic", lambda: float("inf"))
    both = [make_document(2), make_document(1)]
    assert found(couch_store, EVERYTHING, MANY) == both
    couch.fail(Fault.SERVER_ERROR, times=1)  # CouchDB itself gives up
    assert couch_store.find(EVERYTHING, MANY) == (both, False)


def test_an_unusable_sqlite_file_is_an_outage(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "audit.sqlite3").mkdir(parents=True)
    (tmp_path / "damaged.sqlite3").write_bytes(b"no database" * 1000)
    for path in ("file/audit.sqlite3", "folder/audit.sqlite3", "damaged.sqlite3"):
        for operation in OPERATIONS.values():
            with pytest.raises(StoreUnavailable):
                operation(SqliteStore(tmp_path / path))


def test_a_sqlite_file_is_made_with_its_folder_for_its_owner_only(tmp_path):
    path = tmp_path / "new" / "audit.sqlite3"
    umask = os.umask(0)
    try:
        store = SqliteStore(path)
        store.prepare()
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("SELECT * FROM audit").fetchall()
            store.save([make_document()])
            made = [path.parent, *path.parent.iterdir()]
            assert len(made) == 4, "with -wal and -shm"
            assert [each.name for each in made if each.stat().st_mode & 0o077] == []
    finally:
        os.umask(umask)


def test_a_locked_sqlite_file_can_be_read_and_is_written_later(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("billor.audit.sqlite.BUSY_SECONDS", 0.05)
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.save([make_document(1)])
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert found(store, EVERYTHING, MANY) == [make_document(1)]
        with pytest.raises(StoreUnavailable, match="locked"):
            store.save([make_document(2)])
    store.save([make_document(2)])
    assert len(found(store, EVERYTHING, MANY)) == 2


def test_a_page_of_sqlite_is_one_range_of_an_index(tmp_path):
    store = SqliteStore(tmp_path / "audit.sqlite3")
    store.prepare()
    with closing(sqlite3.connect(tmp_path / "audit.sqlite3")) as connection:
        for index in ("load_id", "driver_id", "user_id", "type", "of_account"):
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN SELECT document FROM audit INDEXED BY audit_by_{index}"  # noqa: S608
                f" WHERE {index} = 1 AND (timestamp, id) < ('a', 'b')"
                " ORDER BY timestamp DESC, id DESC LIMIT 50"
            ).fetchall()
            assert "TEMP B-TREE" not in str(plan), index
