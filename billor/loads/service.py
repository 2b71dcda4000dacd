"""The rules of loads. What a load goes through is written down as events, in the same commit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from billor.database import (
    Insertion,
    LockingQuery,
    get_or_not_found,
    table,
    transaction,
    update_row,
    without_default,
)
from billor.errors import Conflict
from billor.events.event import EventType
from billor.keyset import Page, Position, one_for_each_status, paginate
from billor.loads import outbox
from billor.models import Load, LoadEvent, LoadStatus

EDITABLE = (LoadStatus.OPEN, LoadStatus.CANCELLED)
LOCK_LOAD = LockingQuery([Load], Load.id == bindparam("load_id"))
INSERTION = Insertion(Load, without_default(Load), returning=[*table(Load).c])


def create_load(**fields: Any) -> Row:
    """Create an OPEN load with these attributes. The row returned has those of a `Load`."""
    return create_loads([fields])[0]


def create_loads(loads: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
    """Create OPEN loads with these attributes, with rising ids, however many with two statements.

    The rows returned, in the same order, have the attributes of a `Load`.
    """
    if not loads:
        return []
    with transaction():
        rows = sorted(INSERTION.run(loads), key=attrgetter("id"))
        outbox.record_created(rows)
    return rows


def get_load(load_id: int) -> Load:
    """Return a load. Raises `NotFound`."""
    return get_or_not_found(Load, load_id)


def update_load(load_id: int, check: Callable[[Load], None] | None = None, **changes: Any) -> Load:
    """Change fields of an OPEN or CANCELLED load, or make it the other of the two.

    `check` may refuse, seeing the load as it is before.

    Raises `NotFound`, what `check` raises, and `Conflict` `load_not_editable` for other loads.
    """
    if "status" in changes:
        changes["status"] = LoadStatus(changes["status"])
    with transaction():
        load, now = LOCK_LOAD.rows(load_id=load_id)
        if check is not None:
            check(load)
        if load.status not in EDITABLE:
            raise Conflict("load_not_editable")
        before = {
            name: getattr(load, name)
            for name, value in changes.items()
            if getattr(load, name) != value
        }
        if before:
            written = {name: changes[name] for name in before} | {"updated_at": now}
            update_row(load, written)
            cancelled = "status" in before and load.status == LoadStatus.CANCELLED
            outbox.record(
                EventType.LOAD_CANCELLED if cancelled else EventType.LOAD_UPDATED,
                load,
                before=before,
            )
    return load


def list_loads(
    limit: int,
    cursor: Position | None = None,
    status: Collection[str] = (),
    origin: str | None = None,
    destination: str | None = None,
    cargo_type: str | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> Page:
    """Return a page of loads, newest first.

    Places and cargo types match in upper or lower case alike; `created_to` is not in the range.
    """
    query = select(Load)
    if created_from is not None:
        query = query.where(Load.created_at >= created_from)
    if created_to is not None:
        query = query.where(Load.created_at < created_to)
    filters = {Load.origin: origin, Load.destination: destination, Load.cargo_type: cargo_type}
    queries = one_for_each_status(query, status or LoadStatus, Load.status, filters, func.lower)
    return paginate(queries, [Load.created_at, Load.id], cursor, limit)


def load_timeline(load_id: int, limit: int, cursor: Position | None = None) -> Page:
    """Return a page of the load's events, oldest first. Raises `NotFound`."""
    get_or_not_found(Load, load_id)
    query = select(LoadEvent).where(LoadEvent.load_id == load_id)
    order = [LoadEvent.created_at, LoadEvent.id]
    return paginate([query], order, cursor, limit, newest_first=False)
