"""The event: its types, and its shape on the bus and in the audit store."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validate

from billor.models import LoadEvent
from billor.schemas import Id, Timestamp, WireSchema


class EventType(StrEnum):
    """Types of events on the bus."""

    LOAD_CREATED = "load.created"
    LOAD_UPDATED = "load.updated"
    LOAD_CANCELLED = "load.cancelled"
    LOAD_ASSIGNED = "load.assigned"
    LOAD_COMPLETED = "load.completed"
    ASSIGNMENT_CANCELLED = "assignment.cancelled"


AUDIT_TYPES = {
    EventType.LOAD_CREATED: "LOAD_CREATED",
    EventType.LOAD_UPDATED: "LOAD_UPDATED",
    EventType.LOAD_CANCELLED: "LOAD_CANCELLED",
    EventType.LOAD_ASSIGNED: "ASSIGNED",
    EventType.LOAD_COMPLETED: "LOAD_COMPLETED",
    EventType.ASSIGNMENT_CANCELLED: "ASSIGNMENT_CANCELLED",
}
"""The same types as audit documents call them."""


AuditDocument = dict[str, Any]
"""`{_id, type, driverId, loadId, assignmentId, payload, timestamp, requestId}`, JSON values."""


class MalformedEvent(Exception):
    """Bytes from the bus that are not an event. The message says why."""


class EventSchema(WireSchema):
    """The bus message's data."""

    id = fields.UUID(required=True)
    type = fields.String(required=True, validate=validate.OneOf([t.value for t in EventType]))
    driver_id = Id(required=True, allow_none=True)
    load_id = Id(required=True)
    assignment_id = Id(required=True, allow_none=True)
    payload = fields.Dict(required=True)
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


_schema = EventSchema()


@dataclass(frozen=True)
class Message:
    """What travels on the bus: JSON bytes, and the attributes by which subscribers may filter."""

    data: bytes
    attributes: dict[str, str]


def to_message(row: LoadEvent) -> Message:
    """The message that tells of an outbox row."""
    body = _schema.dump(
        {
            "id": row.id,
            "type": row.type,
            "driver_id": row.driver_id,
            "load_id": row.load_id,
            "assignment_id": row.assignment_id,
            "payload": row.payload,
            "timestamp": row.created_at,
            "request_id": row.request_id,
        }
    )
    return Message(json.dumps(body).encode(), {"id": body["id"], "type": body["type"]})


def to_audit_document(data: bytes) -> AuditDocument:
    """Turn a message's data into the document to store, its `_id` the event's id.

    Raises `MalformedEvent`.
    """
    try:
        body = json.loads(data)
        # Not everything that Python reads as JSON can be stored: NaN, lone surrogates.
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
        _schema.load(body)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}") from error
    except ValidationError as error:
        raise MalformedEvent(f"not an event: {error.messages}") from error
    return {"_id": body.pop("id"), **body, "type": AUDIT_TYPES[body["type"]]}
