"""The rules of loads. What a load goes through is written down as events, in the same commit."""

from collections.abc import Sequence

from sqlalchemy import func, select

from billor.database import Lock, get_or_not_found, transaction
from billor.errors import Conflict
from billor.events import outbox
from billor.events.event import EventType
from billor.extensions import db
from billor.models import Load, LoadEvent, LoadStatus
from billor.pagination import Page, paginate

EDITABLE = (LoadStatus.OPEN, LoadStatus.CANCELLED)


def create_load(origin: str, destination: str, cargo_type: str) -> Load:
    """Create an OPEN load."""
    load = Load(origin=origin, destination=destination, cargo_type=cargo_type)
    with transaction():
        db.session.add(load)
        db.session.flush()
        outbox.record(EventType.LOAD_CREATED, load)
    return load


def get_load(load_id: int) -> Load:
    """Raises `NotFound`."""
    return get_or_not_found(Load, load_id)


def update_load(load_id: int, **changes: str) -> Load:
    """Change fields of an OPEN or CANCELLED load, or make it the other of the two.

    Raises `NotFound`, and `Conflict` `load_not_editable` while it is ASSIGNED and ever after it
    was COMPLETED.
    """
    with transaction():
        load = get_or_not_found(Load, load_id, Lock.CHANGE)
        if load.status not in EDITABLE:
            raise Conflict("load_not_editable")
        before = {
            name: getattr(load, name)
            for name, value in changes.items()
            if getattr(load, name) != value
        }
        if before:
            for name in before:
                setattr(load, name, changes[name])
            db.session.flush()
            cancelled = "status" in before and load.status == LoadStatus.CANCELLED
            outbox.record(
                EventType.LOAD_CANCELLED if cancelled else EventType.LOAD_UPDATED,
                load,
                before=before,
            )
    return load


def list_loads(
    limit: int,
    cursor: int | None = None,
    status: str | None = None,
    origin: str | None = None,
    destination: str | None = None,
    cargo_type: str | None = None,
) -> Page:
    """Loads, newest first; places and cargo types match in upper or lower case alike."""
    query = select(Load)
    if status is not None:
        query = query.where(Load.status == status)
    for column, value in (
        (Load.origin, origin),
        (Load.destination, destination),
        (Load.cargo_type, cargo_type),
    ):
        if value is not None:
            query = query.where(func.lower(column) == func.lower(value))
    return paginate(query, Load.id, cursor, limit)


def load_timeline(load_id: int) -> Sequence[LoadEvent]:
    """The load's events, oldest first. Raises `NotFound`."""
    get_or_not_found(Load, load_id)
    return db.session.scalars(
        select(LoadEvent)
        .where(LoadEvent.load_id == load_id)
        .order_by(LoadEvent.created_at, LoadEvent.id)
    ).all()
