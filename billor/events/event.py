"""The event: its types, and its format on the bus and in the audit store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from billor.api.fields import wire_time
from billor.models import LoadEvent


class EventType(StrEnum):
    """The types of events, by their names in audit documents."""

    LOAD_CREATED = "load.created"
    LOAD_UPDATED = "load.updated"
    LOAD_CANCELLED = "load.cancelled"
    LOAD_COMMENTED = "load.commented"
    DOCUMENT_ADDED = "load.document_added"
    DOCUMENT_REMOVED = "load.document_removed"
    LOAD_PLANNED = "load.planned"
    ASSIGNED = "load.assigned"
    LOAD_COMPLETED = "load.completed"
    ASSIGNMENT_CANCELLED = "assignment.cancelled"
    ASSIGNMENT_REOPENED = "assignment.reopened"
    CHECKED_IN = "assignment.checked_in"
    CHECK_IN_UNDONE = "assignment.check_in_undone"
    DRIVER_CREATED = "driver.created"
    DRIVER_UPDATED = "driver.updated"
    PAPERS_EXPIRE = "driver.papers_expire"
    NOTIFICATION_SENT = "notification.sent"
    NOTIFICATION_FAILED = "notification.failed"
    USER_CREATED = "user.created"
    USER_INVITED = "user.invited"
    USER_UPDATED = "user.updated"
    ROLE_CHANGED = "user.role_changed"
    PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - no password
    PASSWORD_RESET_REQUESTED = "user.password_reset_requested"  # noqa: S105 - no password
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    SESSIONS_ENDED = "user.sessions_ended"
    REFRESH_TOKEN_REUSED = "user.refresh_token_reused"  # noqa: S105 - no token
    LOGIN_BLOCKED = "user.login_blocked"
    MAIL_SENT = "user.mail_sent"
    MAIL_FAILED = "user.mail_failed"
    API_KEY_CREATED = "user.api_key_created"
    API_KEY_REVOKED = "user.api_key_revoked"
    WEBHOOK_DISABLED = "webhook.disabled"


AUDIT_TYPES = {type_: type_.name for type_ in EventType}
OF_ADMINS = ("user.", "webhook.")  # what the types start with that only admins see
ACCOUNT_TYPES = {type_: name for type_, name in AUDIT_TYPES.items() if type_.startswith(OF_ADMINS)}
WORK_TYPES = {type_: name for type_, name in AUDIT_TYPES.items() if type_ not in ACCOUNT_TYPES}
LOAD_TYPES = {type_: name for type_, name in WORK_TYPES.items() if not type_.startswith("driver.")}

PAYLOAD = "The `load`, the `driver` or more at that time, by type: see “Events” in docs/api.md."
ACCOUNT_PAYLOAD = "The `account` or more at that time, by type: see “Events” in docs/api.md."

MAX_REASON = 500  # in characters: a reason may quote a message

# A JSON object: `{_id, type, driverId, loadId, assignmentId, payload, timestamp, requestId}`, or
# `{_id, type, userId, payload, timestamp, requestId}` of an account.
AuditDocument = dict[str, Any]


class MalformedEvent(ValueError):
    """A message from the bus is not an event. The error message has the reason."""


@dataclass(frozen=True)
class Message:
    """A bus message: JSON data, and attributes that subscribers may filter by."""

    data: bytes
    attributes: Mapping[str, str]


def to_message(event: LoadEvent | Row) -> Message:
    document = _document(event, event.type)
    body = {"id": document.pop("_id"), **document}
    attributes = {"id": body["id"], "type": event.type}
    if event.traceparent:
        attributes["traceparent"] = event.traceparent
    return Message(json.dumps(body, ensure_ascii=False).encode(), attributes)


def to_document(event: LoadEvent | Row) -> AuditDocument:
    """Return the audit document of an event; its `_id` is the event's id."""
    return _document(event, AUDIT_TYPES[EventType(event.type)])


def _document(event: LoadEvent | Row, type_: str) -> AuditDocument:
    if event.type in ACCOUNT_TYPES:
        subject = {"userId": event.user_id}
    else:
        subject = {
            "driverId": event.driver_id,
            "loadId": event.load_id,
            "assignmentId": event.assignment_id,
        }
    return {
        "_id": str(event.id),
        "type": type_,
        **subject,
        "payload": event.payload,
        "timestamp": wire_time(event.created_at),
        "requestId": event.request_id,
    }


def read_event(data: bytes) -> AuditDocument:
    """Return a message as an audit document. Raises `MalformedEvent`."""
    try:
        body = json.loads(data)
        id_, type_ = str(UUID(body.pop("id"))), AUDIT_TYPES[EventType(body.pop("type"))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"not an event: {type(error).__name__}: {error}"
        raise MalformedEvent(reason[:MAX_REASON]) from error
    return body | {"_id": id_, "type": type_}
