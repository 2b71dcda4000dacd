"""The outbox: events are stored in the transaction of the change that they describe.

The relay publishes them, and the consumer marks what it has recorded. Rows are selected by state,
never by "an id above the last one seen": ids do not commit in order, so rows would be skipped.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Row, Update, and_, func, insert, select, update
from uuid_utils.compat import uuid7

from billor.database import after_commit, execute, execute_at_end, table, transaction
from billor.events.event import EventType
from billor.models import Assignment, LoadEvent
from billor.observe.context import current_traceparent, current_user, request_id

# How many events one statement marks for republication, so that locks are short.
MAX_REPUBLISHED = 1000
_EVENTS = table(LoadEvent).c
ID = attrgetter("id")  # by time; RETURNING has no order
_ADD = insert(table(LoadEvent))
_STATUS = select(Assignment.status).where(Assignment.id == _EVENTS.assignment_id)
_WITH_STATUS = (*_EVENTS, _STATUS.scalar_subquery().label("status"))
# The condition of the partial index.
_IS_UNRECORDED = and_(_EVENTS.published_at.is_not(None), _EVENTS.recorded_at.is_(None))


def record(
    event_type: EventType,
    payload: dict[str, Any],
    *,
    load_id: int | None = None,
    driver_id: int | None = None,
    assignment_id: int | None = None,
    user_id: int | None = None,
) -> UUID:
    """Add an event to the transaction, and return its id; the other ids are of what it is about.

    Every change of a load or a driver has one, so this also invalidates cached pages.
    """
    user = current_user.get()
    if user is not None:
        actor: dict[str, Any] = {"id": user.id, "name": user.name}
        if user.api_key_id is not None:
            actor["apiKey"] = {"id": user.api_key_id, "name": user.api_key_name}
        payload = payload | {"user": actor}
    event_id = uuid7()
    event = {
        "id": event_id,
        "type": event_type.value,
        "load_id": load_id,
        "driver_id": driver_id,
        "assignment_id": assignment_id,
        "user_id": user_id,
        "payload": payload,
        "request_id": request_id.get(),
        "traceparent": current_traceparent(),
    }
    execute_at_end(_ADD, event)
    after_commit(current_app.extensions["pages"].invalidate)
    return event_id


def claim_unpublished(limit: int) -> Sequence[Row]:
    """Mark the oldest unpublished events as published; publish them in the same transaction."""
    claim = _update_oldest(limit, _EVENTS.published_at.is_(None))
    events = execute(claim.values(published_at=func.clock_timestamp()).returning(*_EVENTS))
    return sorted(events, key=ID)


def seconds_since(moment: Any) -> ColumnElement[float]:
    """Return the seconds since a moment, or until it if PostgreSQL's clock was set back."""
    return func.abs(func.extract("epoch", func.clock_timestamp() - moment))


def lock_events(ids: Collection[UUID]) -> dict[UUID, Row]:
    """Return these events, locked until the transaction ends, in one order against deadlocks."""
    in_bus = seconds_since(_EVENTS.published_at).label("seconds_in_bus")
    query = select(*_EVENTS, in_bus).where(_EVENTS.id.in_(ids)).order_by(_EVENTS.id)
    return {event.id: event for event in execute(query.with_for_update(key_share=True))}


def mark_recorded(ids: Collection[UUID]) -> None:
    events, now = table(LoadEvent), func.clock_timestamp()
    execute(update(events).where(_EVENTS.id.in_(ids)).values(recorded_at=now))


def claim_unnotified(types: Collection[str], limit: int, age_seconds: float) -> Sequence[Row]:
    """Mark the oldest events of these types and age as notified.

    Returns them, each with the `status` of its assignment; without those of unassigned loads.
    """
    is_due = and_(
        _EVENTS.notified_at.is_(None),
        _EVENTS.assignment_id.is_not(None) | _EVENTS.load_id.is_(None),
        _EVENTS.type.in_(types),
        seconds_since(_EVENTS.created_at) >= age_seconds,
    )
    claim = _update_oldest(limit, is_due).values(notified_at=func.clock_timestamp())
    return sorted(execute(claim.returning(*_WITH_STATUS)), key=ID)


def get_event(event_id: UUID) -> Row:
    """Return an event with the `status` of its assignment."""
    return execute(select(*_WITH_STATUS).where(_EVENTS.id == event_id)).one()


def last_unrecorded() -> datetime | None:
    """Return when the last of the published, unrecorded events was published."""
    with transaction():
        return execute(select(func.max(_EVENTS.published_at)).where(_IS_UNRECORDED)).scalar()


def publish_unrecorded(until: datetime) -> int:
    """Mark the oldest unrecorded events, published by `until`, as unpublished; return how many."""
    again = _update_oldest(MAX_REPUBLISHED, _IS_UNRECORDED, _EVENTS.published_at <= until)
    with transaction():
        return execute(again.values(published_at=None)).rowcount


def _update_oldest(limit: int, *conditions: ColumnElement[bool]) -> Update:
    """Return an UPDATE of the oldest events, except those that are locked."""
    oldest = select(_EVENTS.id).where(*conditions).order_by(_EVENTS.created_at).limit(limit)
    locked = oldest.with_for_update(skip_locked=True, key_share=True).cte("oldest")
    return update(table(LoadEvent)).where(_EVENTS.id == locked.c.id)


def publish_again(since: datetime | None = None) -> int:
    """Mark all events, or those since a time, as unpublished; return how many."""
    events = table(LoadEvent)
    again = update(events).values(published_at=None, recorded_at=None)
    chosen = select(events.c.id).order_by(events.c.id).limit(MAX_REPUBLISHED)
    if since is not None:
        chosen = chosen.where(events.c.created_at >= since)
    count, last = 0, UUID(int=0)
    while True:
        with transaction():
            ids = execute(chosen.where(events.c.id > last)).scalars().all()
            execute(again.where(events.c.id.in_(ids)))
        if not ids:
            return count
        count, last = count + len(ids), ids[-1]
