"""The event: its types, and its format on the bus and in the audit store."""

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
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
    DRIVER_CREATED = "driver.created"
    DRIVER_UPDATED = "driver.updated"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    ROLE_CHANGED = "user.role_changed"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - no password
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    SESSIONS_ENDED = "user.sessions_ended"
    REFRESH_TOKEN_REUSED = "user.refresh_token_reused"  # noqa: S105 - no token
    LOGIN_BLOCKED = "user.login_blocked"


# The types as named in audit documents: those of loads, of drivers, and of accounts.
LOAD_TYPES = {
    EventType.LOAD_CREATED: "LOAD_CREATED",
    EventType.LOAD_UPDATED: "LOAD_UPDATED",
    EventType.LOAD_CANCELLED: "LOAD_CANCELLED",
    EventType.LOAD_ASSIGNED: "ASSIGNED",
    EventType.LOAD_COMPLETED: "LOAD_COMPLETED",
    EventType.ASSIGNMENT_CANCELLED: "ASSIGNMENT_CANCELLED",
}
DRIVER_TYPES = {type_: type_.name for type_ in EventType if type_.startswith("driver.")}
WORK_TYPES = LOAD_TYPES | DRIVER_TYPES
ACCOUNT_TYPES = {type_: type_.name for type_ in EventType if type_ not in WORK_TYPES}
AUDIT_TYPES = WORK_TYPES | ACCOUNT_TYPES

# Description of an event's payload.
PAYLOAD = (
    "The `load` as it was then, if it is about one, the `driver` if one had a part in it, what was "
    "there `before` a change, and the `user` who did it, if a user did."
)
ACCOUNT_PAYLOAD = (
    "The `account` as it was then, what was there `before` a change, and the `user` who did it, if "
    "a user did. For a blocked login, the `address` and which `limits` were reached: "
    "`account`, `address`, or `account_at_address` where the user had logged in before."
)

# Of a load or a driver `{_id, type, driverId, loadId, assignmentId, payload, timestamp,
# requestId}`, the latter without load and assignment; of an account `{_id, type, userId, payload,
# timestamp, requestId}`. JSON values.
AuditDocument = dict[str, Any]

# Limits of events from the bus. Ours are far below both.
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
# Up to here JavaScript, the language of CouchDB's views, represents integers exactly (RFC 7493).
MAX_EXACT_ID = 2**53 - 1
# Characters of a reason, which may contain field names chosen by others.
MAX_REASON = 500

# The attribute of a message with the `traceparent` of its event.
TRACEPARENT = "traceparent"


class MalformedEvent(Exception):
    """Bytes from the bus that are not an event. The message says why."""


def _one_of(types: Iterable[EventType]) -> fields.String:
    return fields.String(required=True, validate=validate.OneOf([type_.value for type_ in types]))


def _null() -> fields.Field:
    return fields.Raw(required=True, allow_none=True, validate=validate.OneOf([]))


class EventSchema(WireSchema):
    """The data of a bus message about a load."""

    id = fields.UUID(required=True)
    type = _one_of(LOAD_TYPES)
    driver_id = Id(required=True, allow_none=True, maximum=MAX_EXACT_ID)
    load_id = Id(required=True, maximum=MAX_EXACT_ID)
    assignment_id = Id(required=True, allow_none=True, maximum=MAX_EXACT_ID)
    payload = fields.Dict(required=True)
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


class DriverEventSchema(WireSchema):
    """The data of a bus message about a driver, of the same form."""

    id = fields.UUID(required=True)
    type = _one_of(DRIVER_TYPES)
    driver_id = Id(required=True, maximum=MAX_EXACT_ID)
    load_id = _null()
    assignment_id = _null()
    payload = fields.Dict(required=True)
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


class AccountEventSchema(WireSchema):
    """The data of a bus message about a user's account."""

    id = fields.UUID(required=True)
    type = _one_of(ACCOUNT_TYPES)
    user_id = Id(required=True, allow_none=True, maximum=MAX_EXACT_ID)
    payload = fields.Dict(required=True)
    timestamp = Timestamp(required=True)
    request_id = fields.String(required=True, allow_none=True)


class _Reader:
    """Reads events of one schema."""

    def __init__(self, schema: WireSchema):
        self._schema = schema
        self._fields = {str(field.data_key): field for field in schema.load_fields.values()}

    def read(self, body: Any) -> dict[str, Any]:
        """Return an event's values, read as its schema says. Raises `ValidationError`.

        Its fields are asked one by one: the schema takes four times as long, and is left to tell of
        errors.
        """
        if isinstance(body, dict) and body.keys() == self._fields.keys():
            with suppress(ValidationError):
                return {name: field.deserialize(body[name]) for name, field in self._fields.items()}
        raise ValidationError(self._schema.validate(body))


_of_loads = _Reader(EventSchema())
_of_drivers = _Reader(DriverEventSchema())
_of_accounts = _Reader(AccountEventSchema())


def _reader(type_: Any) -> _Reader:
    """Return the reader of events of a type, which may be anything."""
    if isinstance(type_, str) and type_ in ACCOUNT_TYPES:
        return _of_accounts
    return _of_drivers if isinstance(type_, str) and type_ in DRIVER_TYPES else _of_loads


@dataclass(frozen=True)
class Message:
    """A bus message: JSON data, and attributes that subscribers may filter by."""

    data: bytes
    attributes: dict[str, str]


def to_message(row: LoadEvent | Row) -> Message:
    """Return the message of an outbox row."""
    id_ = str(row.id)
    if row.type in ACCOUNT_TYPES:
        subject = {"userId": row.user_id}
    else:
        subject = {
            "driverId": row.driver_id,
            "loadId": row.load_id,
            "assignmentId": row.assignment_id,
        }
    body = {
        "id": id_,
        "type": row.type,
        **subject,
        "payload": row.payload,
        "timestamp": wire_time(row.created_at),
        "requestId": row.request_id,
    }
    attributes = {"id": id_, "type": row.type}
    if row.traceparent:
        # The row's own, whoever publishes it: a message that is published again is the same.
        attributes[TRACEPARENT] = row.traceparent
    return Message(json.dumps(body).encode(), attributes)


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
        type_ = body.get("type") if isinstance(body, dict) else None
        event = _reader(type_).read(body)
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


def happened_at(document: AuditDocument) -> datetime:
    """Return when it happened."""
    return datetime.fromisoformat(document["timestamp"])


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
