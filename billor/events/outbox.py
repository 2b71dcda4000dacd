"""The outbox: events are stored in the transaction of the change that they describe."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, CursorResult, bindparam, insert, select, update
from uuid_utils.compat import uuid7

from billor.cache.pages import invalidate_pages
from billor.context import current_user, request_id, traceparent
from billor.database import Insertion, after_commit, execute, table, transaction
from billor.events.event import EventType
from billor.models import LoadEvent

_COLUMNS = (
    *("id", "type", "load_id", "driver_id", "assignment_id"),
    *("payload", "request_id", "traceparent"),
)
REPLAY_ROWS = 1000
_INSERTION = Insertion(LoadEvent, _COLUMNS)


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
        "id": uuid7(),
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


def publish_again(since: datetime | None = None) -> int:
    """Have the worker publish all events again, or those since a time; return how many."""
    events = table(LoadEvent)
    chosen = select(events.c.id).order_by(events.c.id).limit(REPLAY_ROWS)
    if since is not None:
        chosen = chosen.where(events.c.created_at >= since)
    count, last = 0, UUID(int=0)
    while True:
        with transaction():
            ids = execute(chosen.where(events.c.id > last)).scalars().all()
            execute(
                update(events)
                .where(events.c.id.in_(ids))
                .values(published_at=None, recorded_at=None)
            )
        if not ids:
            return count
        count, last = count + len(ids), ids[-1]


class RecordedChange:
    """Changes rows, and adds the event that tells of it, with one statement."""

    def __init__(self, *changes: CTE, **columns: ColumnElement):
        """`columns` are those of the event whose values the changes make."""
        events = table(LoadEvent)
        values = {name: bindparam(f"event_{name}", type_=events.c[name].type) for name in _COLUMNS}
        self._statement = (
            insert(events)
            .values(values | columns)
            .returning(*(events.c[name] for name in columns))
            .add_cte(*changes)
        )

    def run(self, event: dict[str, Any], parameters: dict[str, Any]) -> CursorResult:
        """Run the changes with their parameters; return the columns that they made, if any."""
        values = {f"event_{name}": event.get(name) for name in _COLUMNS}
        made = execute(self._statement, values | parameters)
        after_commit(invalidate_pages)
        return made
