"""Events: their form on the bus and in the audit trail, and which change writes which."""

import json
import uuid
from datetime import datetime, timedelta, timezone

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
    "assignment.reopened": "ASSIGNMENT_REOPENED",
    "assignment.check_in_undone": "CHECK_IN_UNDONE",
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
