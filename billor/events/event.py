"""The event: its types, and its format on the bus and in the audit store."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isinf
from types import NoneType
from typing import Any
from uuid import UUID

from marshmallow import ValidationError
from sqlalchemy import Row

from billor.http.fields import Timestamp, wire_time
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
# A double holds all integers of so many digits.
MAX_SAFE_DIGITS = sys.float_info.max_10_exp
# Up to here JavaScript, the language of CouchDB's views, represents integers exactly (RFC 7493).
MAX_EXACT_ID = 2**53 - 1
# Characters of a reason, which may contain field names chosen by others.
MAX_REASON = 500

# The attribute of a message with the `traceparent` of its event.
TRACEPARENT = "traceparent"


class MalformedEvent(ValueError):
    """Bytes from the bus that are not an event. The message says why."""


def _read_integer(digits: str) -> int:
    """Parse an integer, at most a double's range.

    For one beyond it CouchDB 3.5 fails a whole batch with 500 `badarith`.
    """
    number = int(digits)
    if len(digits) > MAX_SAFE_DIGITS and abs(number) > sys.float_info.max:
        raise ValueError("an integer is beyond the range of a double")
    return number


def _read_float(digits: str) -> float:
    if isinf(number := float(digits)):
        raise ValueError("a number is beyond the range of a double")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


_DECODER = json.JSONDecoder(
    parse_int=_read_integer, parse_float=_read_float, parse_constant=_refuse
)
_ENCODER = json.JSONEncoder(ensure_ascii=False)

# Checks a value in an event, and returns it as it is in the audit document. Raises `ValueError`.
Check = Callable[[Any], Any]

_any_time = Timestamp()
# A time as `wire_time` writes it, which is read in a tenth of the time.
_OUR_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z",  # no leap second
    re.ASCII,
)


def _instance_of(type_: type, name: str) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not type_:
            raise MalformedEvent(f"must be {name}")
        return value

    return check


_text, _object = _instance_of(str, "text"), _instance_of(dict, "an object")
_null = _instance_of(NoneType, "null")
_integer = _instance_of(int, "an integer")


def _nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _uuid(value: Any) -> str:
    return str(UUID(_text(value)))


def _id(value: Any) -> int:
    if not 1 <= _integer(value) <= MAX_EXACT_ID:
        raise MalformedEvent(f"must be from 1 to {MAX_EXACT_ID}")
    return value


def _time(value: Any) -> str:
    if _OUR_TIME.fullmatch(_text(value)):
        datetime.fromisoformat(value)
        return value
    try:
        return wire_time(_any_time.deserialize(value))
    except ValidationError as error:
        raise MalformedEvent(*error.messages) from error


def _checks(types: Iterable[EventType], **subject: Check) -> dict[str, dict[str, Check]]:
    """Return, by type, the check of each field of an event's data."""
    checks = {
        "id": _uuid,
        "type": AUDIT_TYPES.__getitem__,
        **subject,
        "payload": _object,
        "timestamp": _time,
        "requestId": _nullable(_text),
    }
    return {type_.value: checks for type_ in types}


_CHECKS = {
    **_checks(LOAD_TYPES, driverId=_nullable(_id), loadId=_id, assignmentId=_nullable(_id)),
    **_checks(DRIVER_TYPES, driverId=_id, loadId=_null, assignmentId=_null),
    **_checks(ACCOUNT_TYPES, userId=_nullable(_id)),
}


@dataclass(frozen=True)
class Message:
    """A bus message: JSON data, and attributes that subscribers may filter by."""

    data: bytes
    attributes: Mapping[str, str]


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
    return Message(_ENCODER.encode(body).encode(), attributes)


def to_audit_document(data: bytes) -> AuditDocument:
    """Return the audit document of a message's data; its `_id` is the event's id.

    Id and timestamp are normalised, so that they compare as text.

    Raises `MalformedEvent`.
    """
    if len(data) > MAX_BYTES:
        raise MalformedEvent(f"{len(data)} bytes are too many for an event")
    try:
        text = data.decode()
        body = _DECODER.decode(text)
        if "\\u" in text:
            _ENCODER.encode(body).encode()  # half a pair of surrogates is no text
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}") from error
    document = _checked(body)
    # A text has at least as many brackets as levels.
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(body["payload"]) > MAX_DEPTH:
        raise MalformedEvent(f"nested more than {MAX_DEPTH} levels deep")
    return document


def _checked(body: Any) -> AuditDocument:
    """Return the audit document of an event's data. Raises `MalformedEvent`."""
    type_ = body.get("type") if isinstance(body, dict) else None
    if not isinstance(type_, str) or type_ not in _CHECKS:
        raise MalformedEvent(f"not an event: type must be one of {', '.join(_CHECKS)}")
    checks = _CHECKS[type_]
    if wrong := checks.keys() ^ body.keys():
        names = ", ".join(sorted(wrong))
        raise MalformedEvent(f"not an event: missing or unknown: {names}"[:MAX_REASON])
    document = {}
    for field, check in checks.items():
        try:
            document[field] = check(body[field])
        except ValueError as error:
            raise MalformedEvent(f"not an event: {field}: {error}"[:MAX_REASON]) from error
    return {"_id": document.pop("id"), **document}


def happened_at(document: AuditDocument) -> datetime:
    """Return when it happened."""
    return datetime.fromisoformat(document["timestamp"])


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
