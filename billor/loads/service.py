"""The rules of loads. What a load goes through is written down as events, in the same commit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from billor.database import LockingQuery, get_or_not_found, transaction, update_row, values_before
from billor.errors import Conflict, Taken
from billor.events.event import EventType
from billor.keyset import Page, Position, one_for_each_status, paginate
from billor.loads import outbox
from billor.loads.references import REFERENCE, insert_new_loads
from billor.models import Load, LoadEvent, LoadStatus

EDITABLE = (LoadStatus.OPEN, LoadStatus.CANCELLED)
LOCK_LOAD = LockingQuery([Load], Load.id == bindparam("load_id"))


def create_load(**fields: Any) -> Row:
    """Create an OPEN load with these attributes. The row returned has those of a `Load`.

    Raises `Taken` `reference_taken`.
    """
    (created,) = create_loads([fields])
    if isinstance(created, Taken):
        raise created
    return created


def create_loads(loads: Sequence[Mapping[str, Any]]) -> Sequence[Row | Taken]:
    """Create OPEN loads with these attributes, with rising ids, however many with few statements.

    For each, in the same order, a row with the attributes of a `Load` is returned, or the refusal
    `reference_taken`, which has no effect on the others.
    """
    with transaction():
        outcomes = insert_new_loads(loads)
        if created := [row for row in outcomes if isinstance(row, Row)]:
            outbox.record_created(created)
    return outcomes


def get_load(load_id: int) -> Load:
    """Return a load. Raises `NotFound`."""
    return get_or_not_found(Load, load_id)


def update_load(load_id: int, check: Callable[[Load], None] | None = None, **changes: Any) -> Load:
    """Change fields of an OPEN or CANCELLED load, or make it the other of the two.

    `check` may refuse, seeing the load as it is before.

    Raises `NotFound`, what `check` raises, `Conflict` `load_not_editable` for other loads, and
    `Taken` `reference_taken`.
    """
    if "status" in changes:
        changes["status"] = LoadStatus(changes["status"])
    with transaction():
        load, now = LOCK_LOAD.rows(load_id=load_id)
        if check is not None:
            check(load)
        if load.status not in EDITABLE:
            raise Conflict("load_not_editable")
        before = values_before(load, changes)
        if before:
            written = {name: changes[name] for name in before} | {"updated_at": now}
            with REFERENCE.named_if_taken(_new_reference(load, before, changes)):
                update_row(load, written)
            cancelled = "status" in before and load.status == LoadStatus.CANCELLED
            outbox.record(
                EventType.LOAD_CANCELLED if cancelled else EventType.LOAD_UPDATED,
                load,
                before=before,
            )
    return load


def _new_reference(load: Load, before: Collection[str], changes: Mapping[str, Any]) -> str | None:
    """Return the reference that a changed load has from now on and had not among the others."""
    return changes.get("reference", load.reference) if {"reference", "status"} & {*before} else None


def list_loads(
    limit: int,
    cursor: Position | None = None,
    status: Collection[str] = (),
    origin: str | None = None,
    destination: str | None = None,
    cargo_type: str | None = None,
    reference: str | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> Page:
    """Return a page of loads, newest first.

    Places and cargo types match in upper or lower case alike; `created_to` is not in the range.
    """
    query = select(Load)
    if reference is not None:
        query = query.where(REFERENCE.equals(reference))
    if created_from is not None:
        query = query.where(Load.created_at >= created_from)
    # Of two ends of a range PostgreSQL would use one, and read past all rows between them.
    if created_to is not None and (cursor is None or created_to <= cursor[0]):
        query, cursor = query.where(Load.created_at < created_to), None
    filters = {Load.origin: origin, Load.destination: destination, Load.cargo_type: cargo_type}
    queries = one_for_each_status(query, status or LoadStatus, Load.status, filters, func.lower)
    return paginate(queries, [Load.created_at, Load.id], cursor, limit)


def load_timeline(load_id: int, limit: int, cursor: Position | None = None) -> Page:
    """Return a page of the load's events, oldest first. Raises `NotFound`."""
    get_or_not_found(Load, load_id)
    query = select(LoadEvent).where(LoadEvent.load_id == load_id)
    order = [LoadEvent.created_at, LoadEvent.id]
    return paginate([query], order, cursor, limit, newest_first=False)
