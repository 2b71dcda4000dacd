"""Events: their form on the bus and in the audit trail, and which change writes which."""

import json
import uuid
from datetime import datetime, timedelta, timezone

import pytest

from billor.events.event import read_event, to_document, to_message
from billor.models import LoadEvent

NAMES = {
    "load.created": "LOAD_CREATED",
    "load.assigned": "ASSIGNED",
    "user.role_changed": "ROLE_CHANGED",
}


@pytest.mark.parametrize("type_", NAMES)
def test_an_event_becomes_a_message_and_a_document(type_):
    event = LoadEvent(
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
