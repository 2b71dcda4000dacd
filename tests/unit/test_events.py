"""Events: their form on the bus and in the audit trail, and which change writes which."""

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from billor.events.event import (
    AUDIT_TYPES,
    EventType,
    MalformedEvent,
    read_event,
    to_document,
    to_message,
)
from billor.models import LoadEvent, db
from tests.support.bus import event_body

USER = {"id": 1, "name": "Demo Dispatcher"}
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
NAMES = {
    "load.created": "LOAD_CREATED",
    "load.updated": "LOAD_UPDATED",
    "load.cancelled": "LOAD_CANCELLED",
    "load.assigned": "ASSIGNED",
    "load.completed": "LOAD_COMPLETED",
    "assignment.cancelled": "ASSIGNMENT_CANCELLED",
    "driver.created": "DRIVER_CREATED",
    "user.role_changed": "ROLE_CHANGED",
}


def make_event(type_: str) -> LoadEvent:
    return LoadEvent(
        id=uuid.uuid4(),
        type=type_,
        load_id=7,
        driver_id=8,
        assignment_id=9,
        user_id=10,
        payload={"load": {"id": 7, "origin": "Łódź"}},
        request_id="a-request",
        traceparent="a-traceparent",
        created_at=datetime(2026, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=2))),
    )


@pytest.mark.parametrize("type_", NAMES)
def test_an_event_becomes_a_message_and_a_document(type_):
    event = make_event(type_)
    subject = {"driverId": 8, "loadId": 7, "assignmentId": 9}
    if type_.startswith("user."):
        subject = {"userId": 10}
    shared = {
        **subject,
        "payload": {"load": {"id": 7, "origin": "Łódź"}},
        "timestamp": "2026-03-01T12:30:00.000000Z",
        "requestId": "a-request",
    }
    message = to_message(event)
    assert json.loads(message.data) == {"id": str(event.id), "type": type_, **shared}
    assert "Łódź".encode() in message.data
    assert message.attributes == {
        "id": str(event.id),
        "type": type_,
        "traceparent": "a-traceparent",
    }
    assert to_document(event) == {"_id": str(event.id), "type": NAMES[type_], **shared}
    assert read_event(message.data) == to_document(event)


def test_every_type_has_a_name_in_the_audit_trail():
    assert set(AUDIT_TYPES) == set(EventType)
    assert len(set(AUDIT_TYPES.values())) == len(EventType)


@pytest.mark.parametrize("changes", [{"id": 7}, {"id": "7"}, {"type": "ASSIGNED"}, {"type": []}])
def test_what_is_no_event_is_refused_with_a_short_reason(changes):
    data = json.dumps(event_body(**changes) | {"x" * 1000: 1}).encode()
    with pytest.raises(MalformedEvent, match=r"^not an event: ") as refusal:
        read_event(data)
    assert len(str(refusal.value)) <= 500


@pytest.fixture
def written(app):
    """The events in the database, oldest first."""

    def read() -> list[LoadEvent]:
        with app.app_context():
            return db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()

    return read


def test_each_step_of_a_load_writes_its_event(client, written):
    driver, load = client.make_driver(), client.make_load()
    path = f"/loads/{load['id']}"
    client.patch(path, {"origin": "Austin, TX"})
    client.patch(path, {"status": "CANCELLED"})
    client.patch(path, {"status": "OPEN"})
    first = client.assign(driver, load)
    client.close(first, "CANCELLED")
    second = client.assign(driver, load)
    client.close(second, "COMPLETED")

    created, *events = written()
    assert created.type == "driver.created"
    assert [
        (e.type, e.driver_id, e.assignment_id, e.payload["load"]["status"]) for e in events
    ] == [
        ("load.created", None, None, "OPEN"),
        ("load.updated", None, None, "OPEN"),
        ("load.cancelled", None, None, "CANCELLED"),
        ("load.updated", None, None, "OPEN"),
        ("load.assigned", driver["id"], first["id"], "ASSIGNED"),
        ("assignment.cancelled", driver["id"], first["id"], "OPEN"),
        ("load.assigned", driver["id"], second["id"], "ASSIGNED"),
        ("load.completed", driver["id"], second["id"], "COMPLETED"),
    ]
    assert {e.load_id for e in events} == {load["id"]}
    assert {e.published_at for e in events} == {None}
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=1) < e.created_at <= now for e in events)


def test_an_assigned_event_carries_the_whole_driver_and_load(client, written):
    driver, load = client.make_driver(), client.make_load()
    client.assign(driver, load)
    assert written()[-1].payload == {
        "driver": driver,
        "load": client.get(f"/loads/{load['id']}").json,
        "user": USER,
    }


def test_an_update_event_holds_previous_values_and_no_change_writes_none(client, written):
    load = client.make_load()
    changed = client.patch(
        f"/loads/{load['id']}", {"origin": "Austin, TX", "destination": load["destination"]}
    )
    assert written()[-1].payload == {
        "load": changed.json,
        "before": {"origin": "Dallas, TX"},
        "user": USER,
    }

    client.patch(f"/loads/{load['id']}", {"origin": "Austin, TX"})
    assert len(written()) == 2


def test_each_change_of_a_driver_writes_its_event(client, written):
    driver = client.make_driver()
    path = f"/drivers/{driver['id']}"
    changed = client.patch(path, {"name": "Alex C.", "status": "ACTIVE"})
    client.patch(path, {"name": "Alex C."})
    created, updated = written()
    assert (created.type, created.payload) == ("driver.created", {"driver": driver, "user": USER})
    assert (updated.type, updated.payload) == (
        "driver.updated",
        {"driver": changed.json, "before": {"name": driver["name"]}, "user": USER},
    )
    for event in (created, updated):
        ids = (event.driver_id, event.load_id, event.assignment_id)
        assert ids == (driver["id"], None, None)


@pytest.mark.parametrize("given", [{"X-Request-ID": "from-the-caller"}, {}])
def test_an_event_has_the_id_of_its_request(client, written, given):
    answer = client.post("/loads", LOAD, headers=given)
    expected = given.get("X-Request-ID", answer.headers["X-Request-ID"])
    assert written()[-1].request_id == expected


def test_a_refused_request_writes_no_event(client, written):
    driver, load = client.make_driver(), client.make_load()
    assignment = client.assign(driver, load)
    client.close(assignment, "COMPLETED")
    before = len(written())

    for answer, status in (
        (client.post("/assignments", {"driverId": driver["id"], "loadId": load["id"]}), 409),
        (client.patch(f"/assignments/{assignment['id']}/status", {"status": "CANCELLED"}), 409),
        (client.patch(f"/loads/{load['id']}", {"origin": "Austin, TX"}), 409),
        (client.post("/loads", LOAD | {"origin": ""}), 422),
    ):
        assert answer.status_code == status
    assert len(written()) == before


def test_an_error_rolls_back_a_load_together_with_its_event(client, written, monkeypatch):
    def fail(*_):
        raise RuntimeError("after both rows were sent to the database")

    monkeypatch.setattr("billor.events.outbox.after_commit", fail)
    assert client.post("/loads", LOAD).status_code == 500
    assert client.get("/loads").json == []
    assert written() == []
