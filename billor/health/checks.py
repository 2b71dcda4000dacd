"""The state of each dependency. Tells no secrets, addresses or error texts."""

from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.service import audit_store
from billor.audit.store import StoreUnavailable
from billor.cache import RedisAway, redis_backend
from billor.extensions import db
from billor.models import LoadEvent

OUTBOX_LATE_SECONDS = 30
"""An event that waits longer than this to be published means that the bus or the worker is away."""


class State(StrEnum):
    OK = "ok"
    AWAY = "away"
    LATE = "late"


def check_dependencies() -> dict[str, State]:
    """The state of each. Pub/Sub and the worker are judged by what they should have taken from
    the outbox, since this process does not talk to them."""
    states = {"postgresql": _postgresql(), "redis": _redis()}
    # Without PostgreSQL nothing is known of the outbox, and it need not be waited for twice.
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
        with redis_backend() as redis:
            redis.client.ping()
    except RedisAway:
        return State.AWAY
    return State.OK


def _events() -> State:
    try:
        age = db.session.scalar(
            select(
                func.extract("epoch", func.clock_timestamp() - func.min(LoadEvent.created_at))
            ).where(LoadEvent.published_at.is_(None))
        )
    except SQLAlchemyError:
        return State.AWAY
    return State.LATE if (age or 0) > OUTBOX_LATE_SECONDS else State.OK


def _audit() -> State:
    try:
        audit_store().ping()
    except StoreUnavailable:
        return State.AWAY
    return State.OK
