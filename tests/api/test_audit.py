"""GET /audit over documents put into the store by hand."""

import uuid

import pytest

from billor.audit.store import AuditFilter


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


def test_documents_are_filtered_by_load_driver_type_and_time(client, put):
    created = document(load_id=1, second=1)
    assigned = document(load_id=1, driver_id=7, type_="ASSIGNED", second=2)
    other = document(load_id=2, driver_id=7, type_="LOAD_COMPLETED", second=3)
    put(created, assigned, other)
    for query, expected in (
        ("loadId=1", [assigned, created]),
        ("type=ASSIGNED&driverId=7", [assigned]),
        ("driverId=7", [other, assigned]),
        ("from=2026-01-02T03:04:02.000000Z", [other, assigned]),
        ("to=2026-01-02T03:04:02.000000Z", [created]),
    ):
        assert client.get(f"/audit?{query}").json == expected, query


def test_reading_the_trail_queries_postgresql_only_for_the_token(client, put, statements):
    put(document())
    with statements:
        assert len(client.get("/audit").json) == 1
    assert statements.sent == []


def test_an_answer_of_an_index_that_is_behind_is_marked_as_stale(client, app, put, monkeypatch):
    put(document())
    store = app.extensions["audit_store"]
    found = store.find(AuditFilter(), 9)._replace(is_complete=False)
    monkeypatch.setattr(store, "find", lambda *_: found)
    answer = client.get("/audit")
    assert (answer.status_code, answer.headers["X-Audit-Index"]) == (200, "stale")
