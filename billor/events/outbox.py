"""The outbox: events are stored in the transaction of the change that they describe."""

import uuid
from collections.abc import Sequence
from typing import Any

from billor.cache.pages import invalidate_pages
from billor.context import current_user, request_id, traceparent
from billor.database import Insertion, after_commit
from billor.events.event import EventType
from billor.models import LoadEvent

_INSERTION = Insertion(
    LoadEvent,
    [
        *("id", "type", "load_id", "driver_id", "assignment_id"),
        *("payload", "request_id", "traceparent"),
    ],
)


def acting_user() -> dict[str, Any]:
    """Return the current user as part of a payload; empty if there is none."""
    user = current_user.get()
    return {} if user is None else {"user": user.reference}


def caused_by() -> dict[str, str | None]:
    """Return the request and the step of its trace that cause an event, by column."""
    return {"request_id": request_id.get(), "traceparent": traceparent.get()}


def new_event(event_type: EventType, payload: dict[str, Any], **subject: int) -> dict[str, Any]:
    """Return an event for `add_events`; `subject` are the ids of what it is about, by column."""
    return {
        "id": uuid.uuid4(),
        "type": event_type.value,
        "payload": payload,
        **caused_by(),
        **subject,
    }


def add_events(events: Sequence[dict[str, Any]]) -> None:
    """Add events to the transaction, with one statement.

    Every change of a load or a driver has one, so this also invalidates cached pages.
    """
    if events:
        _INSERTION.run(events)
        after_commit(invalidate_pages)
