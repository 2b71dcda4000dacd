"""`GET /changes`: what is committed, as Server-Sent Events."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Event

import pytest
from flask_jwt_extended import create_access_token
from sqlalchemy import text

from billor.changes import feed, source
from billor.loads.service import create_loads
from billor.models import Role, db
from billor.users.service import update_user
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_problem
from tests.support.apps import client_with_key, client_with_token
from tests.support.events import EventStream

LOAD = {"origin": "Dallas, TX", "destination": "Reno, NV", "cargo_type": "Steel"}


@pytest.fixture
def listen(app, client):
    """Open a stream as the client, or as another one."""

    @contextmanager
    def open_(
        last_event_id: str | None = None, token: str = "", path: str = "/changes"
    ) -> Iterator[EventStream]:
        headers = {"Authorization": f"Bearer {token or client.token}"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        with app.test_client().get(path, headers=headers) as answer:
            assert answer.status_code == 200, answer.text
            yield EventStream(answer.iter_encoded(), answer.headers)

    return open_


def test_a_stream_begins_with_ready_and_says_how_to_come_back(listen):
    with listen() as events:
        assert events.headers["Content-Type"] == "text/event-stream"
        assert events.headers["Cache-Control"] == "no-store"
        assert events.headers["X-Accel-Buffering"] == "no"
        ready = events.next()
        assert (ready.event, ready.data) == ("ready", {"resumed": False})
        assert ready.id
        assert events.retry == 1000


def test_each_change_of_loads_and_drivers_is_sent_in_order(client, listen):
    with listen() as events:
        events.next()
        client.post("/users", {"name": "Dana", "email": "dana@billor.example"})  # is not sent
        driver, load = client.make_driver(), client.make_load()
        client.patch(f"/loads/{load['id']}", {"origin": "Austin, TX"})
        assignment = client.assign(driver, load)
        client.post(f"/assignments/{assignment['id']}/check-ins", {"kind": "LOADED"})
        client.close(assignment, "CANCELLED")
        for _ in range(2):  # the second changes nothing
            client.patch(f"/drivers/{driver['id']}", {"status": "INACTIVE"})
        client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
        client.post(f"/loads/{load['id']}/comments", {"text": "Sold elsewhere"})
        sent = events.take(9)
    assert [each.data["type"] for each in sent] == [
        *("driver.created", "load.created", "load.updated", "load.assigned"),
        *("assignment.checked_in", "assignment.cancelled", "driver.updated"),
        *("load.cancelled", "load.commented"),
    ]
    assert {each.event for each in sent} == {"change"}
    assert all(each.id for each in sent)
    ids = {"driverId": driver["id"], "loadId": load["id"], "assignmentId": assignment["id"]}
    assert sent[3].data == sent[3].data | ids
    assert sent[3].data.keys() - ids == {"id", "type", "payload", "timestamp", "requestId"}
    assert sent[3].data["payload"]["driver"]["name"] == driver["name"]
    assert sent[3].data["payload"]["load"]["status"] == "ASSIGNED"
    assert sent[4].data["payload"]["assignment"]["progress"] == "LOADED"
    updated = sent[6].data
    assert (updated["loadId"], updated["driverId"]) == (None, driver["id"])
    assert updated["payload"]["before"] == {"status": "ACTIVE"}
    assert updated["payload"]["user"]["name"] == "Demo Dispatcher"


def test_a_driver_hears_that_something_of_theirs_has_changed(app, client, listen, monkeypatch):
    """And nothing of another driver, nor of what drivers may not see."""
    with app.app_context():
        monkeypatch.setitem(app.extensions, "changes", feed.Feed(app, db.engine))
    own, other = client.make_driver("TX-1"), client.make_driver("TX-2")
    load, others_load = client.make_load(), client.make_load()
    token = client_with_token(app, role=Role.DRIVER, driver_id=own["id"]).token
    with listen() as staff, listen(token=token, path="/me/changes") as events:
        for stream in (staff, events):
            assert stream.next().event == "ready"
        for act in (
            lambda: client.assign(own, load),
            lambda: client.patch(f"/loads/{load['id']}", {"notes": "Dock 4"}),
            lambda: client.post(
                f"/loads/{load['id']}/comments", {"text": "Call me", "visibleToDriver": True}
            ),
        ):
            act()
            staff.next()
            assert events.next()[:2] == ("many", "{}")
        client.assign(other, others_load)
        client.patch(f"/drivers/{other['id']}", {"name": "Brianna Lopez"})
        client.post(f"/loads/{load['id']}/comments", {"text": "Pays late"})
        staff.take(3)
        app.extensions["changes"].close()
        assert events.rest() == []


def test_a_transaction_that_commits_late_is_sent_then(app, client, listen):
    """Its event is older than one that was sent before."""
    with listen() as events, app.app_context():
        events.next()
        with db.engine.connect() as late:
            late.execute(
                text(
                    "INSERT INTO load_events (id, type, driver_id, payload)"
                    " VALUES (gen_random_uuid(), 'driver.updated', NULL, '{}')"
                )
            )
            load = client.make_load()
            sent = events.next()
            assert sent.data["loadId"] == load["id"]
            late.commit()
        assert events.next().data["type"] == "driver.updated"
    with listen(sent.id) as events:
        events.next()
        assert events.next().data["type"] == "driver.updated"


def test_a_position_that_is_unknown_ahead_or_too_old_is_answered_with_many(
    app, client, listen, monkeypatch
):
    """Ahead of PostgreSQL: after a failover to a standby that lacks the last transactions."""
    with app.app_context():
        ahead = source.sign_position("999999999:999999999:")
    for last in ("", "nonsense", "IjE6MTpoIg.aSbM0w.nobody-signed-this", ahead):
        with listen(last) as events:
            assert events.next().data == {"resumed": True}
            many = events.next()
            assert (many.event, many.data) == ("many", {})
    client.make_load()
    for seconds, expected in ((600, "change"), (-1, "many")):
        monkeypatch.setattr(source, "POSITION_SECONDS", seconds)
        with listen(many.id) as events:
            events.next()
            assert events.next().event == expected


def test_an_import_is_sent_as_many(app, client, listen):
    with listen() as events:
        last = events.next().id
        with app.app_context():
            create_loads([LOAD] * (source.MAX_CHANGES + 1))
        many = events.next()
        assert (many.event, many.data) == ("many", {})
        client.make_load()
        assert events.next().event == "change"
    with listen(last) as events:
        events.next()
        assert events.next().event == "many"


def test_a_slow_client_gets_many(app, client, listen, monkeypatch):
    monkeypatch.setattr(feed, "MAX_BATCHES", 1)
    with app.app_context():
        monkeypatch.setitem(app.extensions, "changes", feed.Feed(app, db.engine))
    with listen() as slow, listen() as quick:
        slow.next()
        quick.next()
        for _ in range(2):
            client.make_load()
            quick.next()
        assert slow.next().event == "many"


def test_a_quiet_stream_has_a_heartbeat(listen, monkeypatch):
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.01)
    with listen() as events:
        events.next()
        assert events.next_piece() == b":\n\n"


def test_a_stream_is_stale_without_heartbeats_until_it_sees_changes_again(
    client, listen, monkeypatch
):
    look, again = source.changes_since, Event()

    def fail(*arguments):
        if not again.is_set():
            raise ValueError
        return look(*arguments)

    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.01)
    with listen() as events:
        assert events.next().event == "ready"
        monkeypatch.setattr(feed, "changes_since", fail)
        stale = events.next()
        assert (stale.event, stale.data) == ("stale", {})
        load = client.make_load()
        again.set()
        assert events.next_piece().startswith(b"event: live")
    with listen(stale.id) as events:
        events.next()
        assert events.next().data["loadId"] == load["id"]


def test_a_stream_ends_after_some_minutes(listen, monkeypatch):
    monkeypatch.setattr(feed, "STREAM_SECONDS", 0)
    with listen() as events:
        assert events.next().event == "ready"
        assert events.rest() == []


@pytest.mark.parametrize("ends", ["account", "account of a key", "key"])
def test_a_stream_ends_with_its_account_or_key_and_with_no_other(app, client, listen, ends):
    other = client_with_token(app, "Sam", "sam@billor.example", Role.ADMIN)
    other_id = other.get("/me").json["id"]
    token = other.token if ends == "account" else client_with_key(other, app, role="ADMIN").token
    with listen(token=token) as events, listen(token=client_with_key(client, app).token) as others:
        events.next()
        others.next()
        if ends == "key":
            client.request("DELETE", "/api-keys/1")
        else:
            with app.app_context():
                update_user(other_id, role=Role.DISPATCHER)
        assert events.rest()[-1].data == {"code": "token_invalid"}
        client.make_load()
        assert others.next().event == "change"


def test_a_stream_ends_with_its_session(client, anonymous, listen):
    anonymous.token = anonymous.log_in(DEMO_EMAIL, DEMO_PASSWORD).json["access_token"]
    with listen(token=anonymous.token) as events:
        events.next()
        anonymous.post("/auth/logout")
        assert [each.data for each in events.rest()] == [{"code": "token_invalid"}]


def test_a_stream_ends_when_its_token_expires(app, client, listen):
    user_id = client.get("/me").json["id"]
    with app.app_context():
        token = create_access_token(str(user_id), expires_delta=timedelta(seconds=1))
    with listen(token=token) as events:
        events.next()
        assert [each.data for each in events.rest()] == [{"code": "token_expired"}]


def test_a_user_has_so_many_streams_and_no_more(app, listen, monkeypatch):
    monkeypatch.setattr(feed, "MAX_STREAMS_OF_USER", 2)
    other = client_with_token(app, "Sam", "sam@billor.example", Role.ADMIN)
    with ExitStack() as opened, listen(token=other.token) as events:
        opened.enter_context(listen(token=other.token))
        answer = other.get("/changes")
        assert_problem(answer, 503, "streams_busy")
        assert "2 open streams" in answer.json["detail"]
        assert answer.headers["Retry-After"] == "1"
        with listen() as events:  # another user
            assert events.next().event == "ready"
    with listen(token=other.token) as events:
        assert events.next().event == "ready"


def test_head_opens_no_stream(app, client):
    answer = client.request("HEAD", "/changes")
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert app.extensions["changes"]._streams == set()
