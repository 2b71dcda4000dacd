"""The state of each dependency, without secrets, addresses or error texts."""

import time
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import NamedTuple

from flask import Flask, current_app
from sqlalchemy import ColumnElement, Float, Subquery, cast, func, select, true
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.service import audit_store
from billor.audit.store import StoreUnavailable
from billor.cache import redis_answers
from billor.extensions import db
from billor.models import LoadEvent

DEPENDENCIES = ("postgresql", "redis", "events", "audit")
# An event that is unpublished for longer means that the bus or the worker is unavailable.
OUTBOX_LATE_SECONDS = 10
# A published event that is older and not confirmed means that the consumer is unavailable or
# behind, or that the audit store refuses it. The worker confirms events every ten seconds.
UNRECORDED_LATE_SECONDS = 60
# No more are counted, so that the check takes as long with any number of events.
MOST_COUNTED = 10_000
REMEMBERED_SECONDS = 0.5
# How long the last result is used while a check runs. A hung PostgreSQL may block it for longer.
BELIEVED_SECONDS = 10


class State(StrEnum):
    OK = "ok"
    AWAY = "away"
    LATE = "late"


@dataclass(frozen=True)
class Waiting:
    """Events that wait for the same step."""

    count: int
    """How many there are, `MOST_COUNTED` at most."""
    oldest_seconds: float | None
    """How long ago the oldest of them happened."""

    def is_late(self, seconds: int) -> bool:
        return self.oldest_seconds is not None and self.oldest_seconds > seconds


class Lag(NamedTuple):
    """The events on their way to the audit trail."""

    unpublished: Waiting
    unrecorded: Waiting
    """Published, and not yet seen in the audit trail."""


class Readiness(NamedTuple):
    """What the checks have found."""

    dependencies: dict[str, State]
    lag: Lag | None
    """None if it is unknown."""


UNKNOWN = Readiness(dict.fromkeys(DEPENDENCIES, State.AWAY), None)


def init_health(app: Flask) -> None:
    """Prepare the app to remember the last results."""
    app.extensions["health"] = _Findings()


class _Findings:
    def __init__(self) -> None:
        self.lock = Lock()
        self.last = UNKNOWN
        self.until = 0.0


def check_dependencies() -> Readiness:
    """Return the state of each dependency, and the lag of events.

    One request at a time checks them, at most twice a second, since the endpoint is public. This
    process does not call Pub/Sub or the worker: the events in the outbox show their state.
    """
    findings: _Findings = current_app.extensions["health"]
    if not findings.lock.acquire(blocking=False):
        is_known = time.monotonic() < findings.until + BELIEVED_SECONDS
        return findings.last if is_known else UNKNOWN
    try:
        if time.monotonic() > findings.until:
            findings.last = _check_all()
            findings.until = time.monotonic() + REMEMBERED_SECONDS
        return findings.last
    finally:
        findings.lock.release()


def _check_all() -> Readiness:
    states = {"postgresql": _postgresql(), "redis": _redis()}
    # Without PostgreSQL the outbox is unknown; do not wait for a second timeout.
    lag = _lag() if states["postgresql"] is State.OK else None
    states["events"] = _events(lag)
    states["audit"] = _audit()
    return Readiness(states, lag)


def _postgresql() -> State:
    try:
        db.session.scalar(select(1))
    except SQLAlchemyError:
        return State.AWAY
    return State.OK


def _redis() -> State:
    return State.OK if redis_answers() else State.AWAY


def _lag() -> Lag | None:
    unpublished = _waiting(LoadEvent.published_at.is_(None))
    unrecorded = _waiting(LoadEvent.published_at.is_not(None), LoadEvent.recorded_at.is_(None))
    try:
        row = db.session.execute(select(unpublished.join(unrecorded, true()))).one()
    except SQLAlchemyError:
        return None
    return Lag(Waiting(*row[:2]), Waiting(*row[2:]))


def _waiting(*conditions: ColumnElement[bool]) -> Subquery:
    """Return a query for the columns of `Waiting`, which reads one range of a partial index."""
    oldest = (
        select(LoadEvent.created_at)
        .where(*conditions)
        .order_by(LoadEvent.created_at)
        .limit(MOST_COUNTED)
        .subquery()
    )
    age = func.extract("epoch", func.now() - func.min(oldest.c.created_at))
    return select(func.count(), cast(age, Float)).select_from(oldest).subquery()


def _events(lag: Lag | None) -> State:
    if lag is None:
        return State.AWAY
    is_late = lag.unpublished.is_late(OUTBOX_LATE_SECONDS) or lag.unrecorded.is_late(
        UNRECORDED_LATE_SECONDS
    )
    return State.LATE if is_late else State.OK


def _audit() -> State:
    try:
        audit_store().ping()
    except StoreUnavailable:
        return State.AWAY
    return State.OK
