"""The state of each dependency, without secrets, addresses or error texts."""

import time
from datetime import timedelta
from enum import StrEnum
from threading import Lock

from flask import Flask, current_app
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.service import audit_store
from billor.audit.store import StoreUnavailable
from billor.cache.backend import redis_call
from billor.cache.circuit_breaker import CircuitOpen
from billor.extensions import db
from billor.models import LoadEvent

DEPENDENCIES = ("postgresql", "redis", "events", "audit")
# An event that is unpublished for longer means that the bus or the worker is unavailable.
OUTBOX_LATE_SECONDS = 10
# A published event that is older and not confirmed means that the consumer is unavailable or
# behind, or that the audit store refuses it. The worker confirms events every ten seconds.
UNRECORDED_LATE_SECONDS = 60
REMEMBERED_SECONDS = 0.5
# How long the last result is used while a check runs. A hung PostgreSQL may block it for longer.
BELIEVED_SECONDS = 10


class State(StrEnum):
    OK = "ok"
    AWAY = "away"
    LATE = "late"


def init_health(app: Flask) -> None:
    """Prepare the app to remember the last results."""
    app.extensions["health"] = _Findings()


class _Findings:
    def __init__(self) -> None:
        self.lock = Lock()
        self.states: dict[str, State] = dict.fromkeys(DEPENDENCIES, State.AWAY)
        self.until = 0.0


def check_dependencies() -> dict[str, State]:
    """Return the state of each dependency.

    One request at a time checks them, at most twice a second, since the endpoint is public. This
    process does not call Pub/Sub or the worker: the events in the outbox show their state.
    """
    findings: _Findings = current_app.extensions["health"]
    if not findings.lock.acquire(blocking=False):
        is_known = time.monotonic() < findings.until + BELIEVED_SECONDS
        return findings.states if is_known else dict.fromkeys(DEPENDENCIES, State.AWAY)
    try:
        if time.monotonic() > findings.until:
            findings.states = _check_all()
            findings.until = time.monotonic() + REMEMBERED_SECONDS
        return findings.states
    finally:
        findings.lock.release()


def _check_all() -> dict[str, State]:
    states = {"postgresql": _postgresql(), "redis": _redis()}
    # Without PostgreSQL the outbox is unknown; do not wait for a second timeout.
    states["events"] = _events() if states["postgresql"] is State.OK else State.AWAY
    states["audit"] = _audit()
    return states


def _postgresql() -> State:
    try:
        db.session.scalar(select(1))
    except SQLAlchemyError:
        return State.AWAY
    return State.OK


def _redis() -> State:
    try:
        with redis_call() as redis:
            redis.client.ping()
    except CircuitOpen:
        return State.AWAY
    return State.OK


def _events() -> State:
    unpublished = _older(OUTBOX_LATE_SECONDS, LoadEvent.published_at.is_(None)).order_by(
        LoadEvent.created_at
    )
    unrecorded = _older(
        UNRECORDED_LATE_SECONDS,
        LoadEvent.published_at.is_not(None),
        LoadEvent.recorded_at.is_(None),
    ).order_by(LoadEvent.published_at)
    late = func.coalesce(unpublished.scalar_subquery(), unrecorded.scalar_subquery())
    try:
        return State.OK if db.session.scalar(select(late)) is None else State.LATE
    except SQLAlchemyError:
        return State.AWAY


def _older(seconds: int, *conditions: ColumnElement[bool]) -> Select:
    """Return a query for one older event. In its index's order the planner uses that index."""
    age = timedelta(seconds=seconds)
    return select(LoadEvent.id).where(LoadEvent.created_at < func.now() - age, *conditions).limit(1)


def _audit() -> State:
    try:
        audit_store().ping()
    except StoreUnavailable:
        return State.AWAY
    return State.OK
