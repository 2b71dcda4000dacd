"""The event: its types, and its format on the bus and in the audit store."""

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validate
from sqlalchemy import Row

from billor.http.fields import Id, Timestamp, WireSchema, wire_time
from billor.models import LoadEvent


class EventType(StrEnum):
    """Types of events on the bus."""

    LOAD_CREATED = "load.created"
    LOAD_UPDATED = "load.updated"
    LOAD_CANCELLED = "load.cancelled"
    LOAD_ASSIGNED = "load.assigned"
    LOAD_COMPLETED = "load.completed"
    ASSIGNMENT_CANCELLED = "assignment.cancelled"


# The same types as named in audit documents.
AUDIT_TYPES = {
    EventType.LOAD_CREATED: "LOAD_CREATED",
    EventType.LOAD_UPDATED: "LOAD_UPDATED",
    EventType.LOAD_CANCELLED: "LOAD_CANCELLED",
    EventType.LOAD_ASSIGNED: "ASSIGNED",
    EventType.LOAD_COMPLETED: "LOAD_COMPLETED",
    EventType.ASSIGNMENT_CANCELLED: "ASSIGNMENT_CANCELLED",
}

# Description of an event's payload.
PAYLOAD = (
    "The `load` as it was then, the `driver` if one had a part in it, what was there `before` a "
    "change, and the `user` who did it, if a user did."
)

# `{_id, type, driverId, loadId, assignmentId, payload, timestamp, requestId}`, JSON values.
AuditDocument = dict[str, Any]

# Limits of events from the bus. Ours are far below both.
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
# Up to here JavaScript, the language of CouchDB's views, represents integers exactly (RFC 7493).
MAX_EXACT_ID = 2**53 - 1
# Characters of a reason, which may contain field names chosen by others.
MAX_REASON = 500


class MalformedEvent(Exception):
    """Bytes from the bus that are not an event. The message says why."""


class EventSchema(WireSchema):
    """The data of a bus message."""

    id = fields.UUID(required=True)
    type = fields.String(required=True, validate=validate.OneOf([t.value for t in EventType]))
    driver_id = Id(required=True, allow_none=True, maximum=MAX_EXACT_ID)
    load_id = Id(required=True, maximum=MAX_EXACT_ID)
    assignment_id = Id(required=True, allow_none=True, maximum=MAX_EXACT_ID)
    payload = fields.Dict(required=True)
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


_schema = EventSchema()
_fields = {str(field.data_key): field for field in _schema.load_fields.values()}


@dataclass(frozen=True)
class Message:
    """A bus message: JSON data, and attributes that subscribers may filter by."""

    data: bytes
    attributes: dict[str, str]


def to_message(row: LoadEvent | Row) -> Message:
    """Return the message of an outbox row."""
    id_ = str(row.id)
    body = {
        "id": id_,
        "type": row.type,
        "driverId": row.driver_id,
        "loadId": row.load_id,
        "assignmentId": row.assignment_id,
        "payload": row.payload,
        "timestamp": wire_time(row.created_at),
        "requestId": row.request_id,
    }
    return Message(json.dumps(body).encode(), {"id": id_, "type": row.type})


def to_audit_document(data: bytes) -> AuditDocument:
    """Return the audit document of a message's data; its `_id` is the event's id.

    Id and timestamp are normalised, so that they compare as text.

    Raises `MalformedEvent`.
    """
    if len(data) > MAX_BYTES:
        raise MalformedEvent(f"{len(data)} bytes are too many for an event")
    try:
        body = json.loads(data, parse_int=_integer)
        # Not everything that Python reads as JSON can be stored: NaN, lone surrogates.
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
        event = _checked(body)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}") from error
    except ValidationError as error:
        raise MalformedEvent(f"not an event: {error.messages}"[:MAX_REASON]) from error
    if _depth(event["payload"]) > MAX_DEPTH:
        raise MalformedEvent(f"nested more than {MAX_DEPTH} levels deep")
    return {
        "_id": str(event.pop("id")),
        **event,
        "type": AUDIT_TYPES[event["type"]],
        "timestamp": wire_time(event["timestamp"]),
    }


def _checked(body: Any) -> dict[str, Any]:
    """Return an event's values, read as its schema says. Raises `ValidationError`.

    Its fields are asked one by one: the schema takes four times as long, and is left to tell of
    errors.
    """
    if isinstance(body, dict) and body.keys() == _fields.keys():
        with suppress(ValidationError):
            return {name: field.deserialize(body[name]) for name, field in _fields.items()}
    raise ValidationError(_schema.validate(body))


def _integer(digits: str) -> int:
    """Parse an integer, at most a double's range.

    For one beyond it CouchDB 3.5 fails a whole batch with 500 `badarith`.
    """
    number = int(digits)
    if abs(number) > sys.float_info.max:
        raise MalformedEvent("an integer is beyond the range of a double")
    return number


def _depth(value: Any) -> int:
    """Return the number of nested levels of objects and arrays."""
    levels, level = 0, [value]
    while level:
        levels += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return levels
