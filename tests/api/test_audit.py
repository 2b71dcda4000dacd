"""GET /audit over documents put into the store by hand."""

import uuid
from itertools import chain

import pytest

from billor.audit.store import connect_store
from billor.config import load_config
from tests.support.answers import assert_problem, pages


def document(load_id=1, driver_id=None, type_="LOAD_CREATED", second=0, **more):
    return {
        "_id": str(uuid.uuid4()),
        "type": type_,
        "loadId": load_id,
        "driverId": driver_id,
        "assignmentId": None,
        "payload": {"load": {"id": load_id, "origin": "Łódź"}},
        "timestamp": f"2026-01-02T03:04:{second:02}.000000Z",
        "requestId": None,
        **more,
    }


@pytest.fixture
def put(app):
    """Store documents."""
    return lambda *documents: app.extensions["audit_store"].save(documents)


def test_documents_are_shown_as_they_were_stored_newest_first(client, put):
    old = document(second=1)
    new = document(driver_id=2, type_="ASSIGNED", second=3, assignmentId=3, requestId="r")
    middle = document(second=2)
    put(new, old, middle)
    answer = client.get("/audit")
    assert (answer.status_code, answer.json) == (200, [new, middle, old])
    assert answer.headers["X-Audit-Index"] == "current"
    assert answer.content_type == "application/json"


def test_documents_are_filtered_by_load_driver_and_type(client, put):
    created = document(load_id=1, second=1)
    assigned = document(load_id=1, driver_id=7, type_="ASSIGNED", second=2)
    other = document(load_id=2, driver_id=7, type_="ASSIGNED", second=3)
    done = document(load_id=2, driver_id=7, type_="LOAD_COMPLETED", second=4)
    put(created, assigned, other, done)
    for query, expected in (
        ("loadId=1", [assigned, created]),
        ("driverId=7", [done, other, assigned]),
        ("type=ASSIGNED", [other, assigned]),
        ("loadId=2&driverId=7", [done, other]),
        ("loadId=2&type=ASSIGNED", [other]),
        ("driverId=7&type=LOAD_COMPLETED", [done]),
        ("loadId=1&driverId=7&type=ASSIGNED", [assigned]),
        ("loadId=1&type=LOAD_COMPLETED", []),
        (f"loadId={2**63 - 1}", []),
    ):
        assert client.get(f"/audit?{query}").json == expected, query


def test_a_time_range_includes_its_start_and_excludes_its_end(client, put):
    first, second, third = stored = [
        document(timestamp=f"2026-01-02T03:04:05.00000{number}Z") for number in (1, 2, 3)
    ]
    put(*stored)
    for range_, expected in (
        ({"from": "2026-01-02T03:04:05.000002Z"}, [third, second]),
        ({"to": "2026-01-02T03:04:05.000002Z"}, [first]),
        ({"from": "2026-01-02T04:04:05.000002+01:00"}, [third, second]),
        ({"to": "2026-01-01T21:34:05.000003-05:30"}, [second, first]),
        ({"from": "2000-01-01T00:00:00Z", "to": "2100-12-31T23:59:59.999999Z"}, stored[::-1]),
    ):
        assert client.get("/audit", query_string=range_).json == expected, range_


def test_a_range_that_ends_before_it_starts_is_refused(client):
    for end in ("2026-01-02T03:04:05Z", "2026-01-02T04:03:00+01:00"):
        answer = client.get("/audit", query_string={"from": "2026-01-02T03:04:05Z", "to": end})
        problem = assert_problem(answer, 422, "validation_failed")
        assert problem["errors"] == {"to": ["Must be later than `from`."]}


@pytest.mark.parametrize("query", ["", "loadId=1&"])
def test_pagination_shows_each_document_once_despite_equal_times_and_new_documents(
    client, put, query
):
    put(*(document(second=number // 3) for number in range(7)))
    put(document(load_id=2))
    everything = client.get(f"/audit?{query}limit=200").json
    assert len(everything) == (7 if query else 8)
    order = [(stored["timestamp"], stored["_id"]) for stored in everything]
    assert order == sorted(order, reverse=True)
    for limit in (1, 2, len(everything), 200):
        got = []
        for page in pages(client, f"/audit?{query}limit={limit}"):
            got.append(page)
            put(document(second=59))
        assert list(chain(*got))[-len(everything) :] == everything
        assert all(len(page) == limit for page in got[:-1])


def test_reading_the_trail_queries_postgresql_only_for_the_token(client, put, statements):
    put(document())
    with statements:
        assert len(client.get("/audit").json) == 1
    (statement,) = statements.sent
    assert "FROM users" in statement


def test_a_slow_index_yields_an_answer_marked_as_stale(client, app, couch, settings, monkeypatch):
    monkeypatch.setattr("billor.audit.couchdb.INDEX_SECONDS", 0.4)
    monkeypatch.setattr("billor.audit.couchdb.STALE_SECONDS", 0)
    store = connect_store(load_config(settings | {"COUCHDB_URL": couch.url}))
    monkeypatch.setitem(app.extensions, "audit_store", store)

    def look() -> tuple:
        answer = client.get("/audit")
        return answer.status_code, answer.headers["X-Audit-Index"], answer.json

    old, new = document(second=1), document(second=2)
    store.prepare()
    store.save([old])
    assert look() == (200, "current", [old])
    store.save([new])
    couch.hold_index()
    assert look() == (200, "stale", [old])
    couch.mend()
    assert look() == (200, "current", [new, old])
