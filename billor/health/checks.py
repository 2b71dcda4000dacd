"""The state of each dependency, without secrets, addresses or error texts."""

import time
from contextlib import suppress
from enum import StrEnum
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.store import StoreUnavailable, audit_store
from billor.cache import redis_answers
from billor.events.outbox import seconds_since
from billor.models import LoadEvent, db

OUTBOX_LATE_SECONDS = 10  # if an event is unpublished for longer, the bus or the worker is away
# If a published event is unrecorded for longer, the consumer or the audit store is away or behind.
UNRECORDED_LATE_SECONDS = 60
MAX_COUNTED = 10_000  # counting stops here, so that the check stays fast
CACHE_SECONDS = 0.5  # /readyz is public, so results are cached


class State(StrEnum):
    OK = "ok"
    AWAY = "away"
    LATE = "late"


def check_dependencies() -> dict[str, Any]:
    """Return the state of all `dependencies`, and the `lag` of events: None without PostgreSQL."""
    checked_at, found = current_app.extensions.get("readiness", (0.0, None))
    if found is None or time.monotonic() > checked_at + CACHE_SECONDS:
        found = _check_all()
        current_app.extensions["readiness"] = time.monotonic(), found
    return found


def _check_all() -> dict[str, Any]:
    lag, audit = None, State.OK
    with suppress(SQLAlchemyError):
        lag = {
            "unpublished": _waiting(LoadEvent.published_at.is_(None)),
            "unrecorded": _waiting(
                LoadEvent.published_at.is_not(None), LoadEvent.recorded_at.is_(None)
            ),
        }
    try:
        audit_store().ping()
    except StoreUnavailable:
        audit = State.AWAY
    return {
        "dependencies": {
            "postgresql": State.OK if lag else State.AWAY,
            "redis": State.OK if redis_answers() else State.AWAY,
            "events": _events(lag),
            "audit": audit,
            "documents": State.OK if current_app.extensions["documents"].answers() else State.AWAY,
        },
        "lag": lag,
    }


def _waiting(*conditions: ColumnElement[bool]) -> dict[str, Any]:
    """Return how many events wait, and for how long; reads one range of a partial index."""
    oldest = (
        select(LoadEvent.created_at)
        .where(*conditions)
        .order_by(LoadEvent.created_at)
        .limit(MAX_COUNTED)
        .subquery()
    )
    age = func.max(seconds_since(oldest.c.created_at))
    count, seconds = db.session.execute(select(func.count(), age).select_from(oldest)).one()
    return {"count": count, "oldest_seconds": None if seconds is None else float(seconds)}


def _events(lag: dict[str, Any] | None) -> State:
    if lag is None:
        return State.AWAY
    unpublished, unrecorded = (waiting["oldest_seconds"] or 0 for waiting in lag.values())
    is_late = unpublished > OUTBOX_LATE_SECONDS or unrecorded > UNRECORDED_LATE_SECONDS
    return State.LATE if is_late else State.OK
