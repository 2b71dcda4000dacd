"""The rules of loads. What a load goes through is written down as events, in the same commit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select

from billor.database import get_or_not_found, transaction, update_row, values_before
from billor.errors import Conflict, Invalid, Taken
from billor.events.event import EventType
from billor.events.outbox import add_events
from billor.keyset import Page, Position, paginate
from billor.loads import outbox
from billor.loads.references import REFERENCE, insert_new_loads
from billor.loads.schemas import DELIVERED_TOO_EARLY, is_before
from billor.locking import LockingQuery
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

    Raises `NotFound`, what `check` raises, `Conflict` `load_not_editable` for other loads,
    `Invalid` for a delivery before the pickup, and `Taken` `reference_taken`.
    """
    if "status" in changes:
        changes["status"] = LoadStatus(changes["status"])
    with transaction():
        load, now = LOCK_LOAD.rows(load_id=load_id)
        if check is not None:
            check(load)
        if load.status not in EDITABLE:
            raise Conflict("load_not_editable")
        _check_times(load, changes)
        before = values_before(load, changes)
        if before:
            written = {name: changes[name] for name in before} | {"updated_at": now}
            with REFERENCE.named_if_taken(_new_reference(load, before, changes)):
                update_row(load, written)
            cancelled = "status" in before and load.status == LoadStatus.CANCELLED
            event_type = EventType.LOAD_CANCELLED if cancelled else EventType.LOAD_UPDATED
            add_events([outbox.event(event_type, load, before=before)])
    return load


def _check_times(load: Load, changes: Mapping[str, Any]) -> None:
    """Raise `Invalid` if the changed load would have to be delivered before it is picked up."""
    pickup_at, deliver_by = (
        changes.get(name, getattr(load, name)) for name in ("pickup_at", "deliver_by")
    )
    if is_before(deliver_by, pickup_at):
        raise Invalid({"deliverBy": [DELIVERED_TOO_EARLY]})


def _new_reference(load: Load, before: Collection[str], changes: Mapping[str, Any]) -> str | None:
    """Return the reference that a changed load has from now on and had not among the others."""
    return changes.get("reference", load.reference) if {"reference", "status"} & {*before} else None


def load_timeline(load_id: int, limit: int, cursor: Position | None = None) -> Page:
    """Return a page of the load's events, oldest first. Raises `NotFound`."""
    get_or_not_found(Load, load_id)
    query = select(LoadEvent).where(LoadEvent.load_id == load_id)
    order = [LoadEvent.created_at, LoadEvent.id]
    return paginate([query], order, cursor, limit, newest_first=False)
