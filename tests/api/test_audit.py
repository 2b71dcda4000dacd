"""GET /audit over documents put into the store by hand."""

import uuid
from itertools import chain

import pytest

from billor.audit.sqlite import SqliteStore
from tests.support.answers import assert_problem, pages
from tests.support.apps import client_with_token


@pytest.fixture
def client(app):
    return client_with_token(app)


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
    assert answer.content_type == "application/json"


def test_an_empty_trail_is_an_empty_list(client):
    assert client.get("/audit").json == []


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


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("type", ("load.created", "assigned", "NOTHING", "")),
        ("loadId", ("0", "-1", "1.5", "one", "", str(2**63))),
        ("driverId", ("0", "null")),
    ],
)
def test_filters_that_can_match_nothing_are_refused(client, name, values):
    for value in values:
        answer = client.get("/audit", query_string={name: value})
        problem = assert_problem(answer, 422, "validation_failed")
        assert list(problem["errors"]) == [name]


@pytest.mark.parametrize("query", ["", "loadId=1&"])
def test_pages_hold_everything_once_though_times_are_equal_and_more_comes_in(client, put, query):
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


def test_only_the_token_is_checked_in_postgresql(client, put, statements):
    put(document())
    with statements:
        assert len(client.get("/audit").json) == 1
    (statement,) = statements.sent
    assert "FROM users" in statement


def test_while_the_store_is_away_only_the_trail_is(client, app, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "secret-name.sqlite3")
    monkeypatch.setitem(app.extensions, "audit_store", store)
    answer = client.get("/audit")
    assert_problem(answer, 503, "audit_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "secret-name" not in answer.text
    client.close(client.assign(client.make_driver(), client.make_load()), "COMPLETED")
