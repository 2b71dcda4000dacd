"""The outbox: events are stored in the transaction of the change that they describe."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from billor.cache import invalidate_pages
from billor.context import current_user, request_id
from billor.database import after_commit, execute, table, transaction
from billor.events.event import EventType
from billor.extensions import db
from billor.models import LoadEvent
from billor.traces import current_traceparent

REPLAY_ROWS = 1000


def record(event_type: EventType, payload: dict[str, Any], **subject: int | None) -> None:
    """Add an event to the transaction; `subject` has the ids of what it is about, by column.

    Every change of a load or a driver has one, so this also invalidates cached pages.
    """
    user = current_user.get()
    if user is not None:
        payload = payload | {"user": user.reference}
    db.session.add(
        LoadEvent(
            type=event_type.value,
            payload=payload,
            request_id=request_id.get(),
            traceparent=current_traceparent(),
            **subject,
        )
    )
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
