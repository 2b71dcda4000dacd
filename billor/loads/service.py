"""The rules of loads. Each change records an event in the same transaction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Text, bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from billor.database import (
    Check,
    change,
    execute_pending,
    get_or_not_found,
    lock,
    transaction,
    unchecked,
    violated_constraint,
)
from billor.database.keyset import Page, Position, paginate
from billor.database.unique import Unique
from billor.drivers.schemas import DriverInEventSchema
from billor.errors import Conflict, Invalid, Taken
from billor.events.event import EventType
from billor.events.outbox import record
from billor.loads.schemas import TIMES, LoadSchema, wrong_times
from billor.models import Assignment, Driver, Load, LoadEvent, LoadStatus, db

CHECKED = ("status", "reference", *TIMES)
"""Fields that are checked against each other, or against other loads."""
REFERENCE = Unique(
    Load.reference,
    func.canonical_key,
    "uq_loads_reference_key",
    "reference_taken",
    among=Load.reference.is_not(None) & (Load.status != LoadStatus.CANCELLED),
)

_schema = LoadSchema()
_driver_schema = DriverInEventSchema()


def record_load(
    event_type: EventType,
    load: Load | Row,
    *,
    driver: Driver | Row | None = None,
    assignment_id: int | None = None,
    before: Mapping[str, Any] | None = None,
    **details: Any,
) -> UUID:
    """Add an event of a load to the transaction, with the values `before` a change."""
    payload = details | {"load": _schema.dump(load)}
    if before is not None:
        payload["before"] = _schema.dump(before)
    if driver is not None:
        payload["driver"] = _driver_schema.dump(driver)
    driver_id = driver.id if driver else None
    ids = {"load_id": load.id, "driver_id": driver_id, "assignment_id": assignment_id}
    return record(event_type, payload, **ids)


def create_load(**fields: Any) -> Load:
    """Create an OPEN load with these attributes. Raises `Taken` `reference_taken`."""
    load = Load(**fields)
    with transaction():
        with REFERENCE.checked(load.reference):
            db.session.add(load)
        db.session.flush()
        record_load(EventType.LOAD_CREATED, load)
    return load


def create_loads(rows: Sequence[Mapping[str, Any]]) -> list[Load | Taken]:
    """Create OPEN loads with rising ids, in few statements; return them in the same order.

    One whose reference another load or an earlier row has is `Taken`, and the others are created.
    """
    with transaction():
        outcomes = _insert([Load(**row) for row in rows])
        for outcome in outcomes:
            if isinstance(outcome, Load):
                record_load(EventType.LOAD_CREATED, outcome)
    return outcomes


def _insert(loads: Sequence[Load]) -> list[Load | Taken]:
    while True:
        new: dict[Any, Load] = {}
        owners: list[Any] = [  # a load of these, or the id of another one
            id_ or new.setdefault(key or load, load)
            for load, (key, id_) in zip(loads, _reference_keys(loads), strict=True)
        ]
        try:
            with db.session.begin_nested():
                db.session.add_all(new.values())
        except IntegrityError as error:
            # Another transaction was faster. It has ended, so its loads are visible now.
            if violated_constraint(error) != REFERENCE.index:
                raise
        else:
            return [
                load if owner is load else REFERENCE.taken_by(getattr(owner, "id", owner))
                for load, owner in zip(loads, owners, strict=True)
            ]


def _reference_keys(loads: Sequence[Load]) -> Sequence[Row]:
    """Return the key of each load's reference, and the id of the load that has it already."""
    texts = bindparam("texts", [load.reference for load in loads], ARRAY(Text))
    given = func.unnest(texts).table_valued("text", with_ordinality="place").render_derived()
    key = func.canonical_key(given.c.text)
    return db.session.execute(
        select(key, Load.id)
        .select_from(given)
        .outerjoin(Load, (func.canonical_key(Load.reference) == key) & REFERENCE.among)
        .order_by(given.c.place)
    ).all()


def update_load(load_id: int, check: Check = unchecked, **changes: Any) -> Load:
    """Change, cancel or reopen a load. The driver who has it, or has it next, is notified."""
    if "status" in changes:
        changes["status"] = LoadStatus(changes["status"])
    with transaction():
        load = lock(Load, load_id, check)
        is_assigned = load.status == LoadStatus.ASSIGNED
        if load.status == LoadStatus.COMPLETED or (is_assigned and "status" in changes):
            raise Conflict("load_not_editable")
        wanted = {name: changes.get(name, getattr(load, name)) for name in CHECKED}
        if errors := wrong_times(wanted):
            raise Invalid(errors)
        is_cancelled = wanted["status"] == LoadStatus.CANCELLED
        told = _current_assignment(load_id)
        if told and is_cancelled:
            raise Conflict("load_already_planned", assignmentId=told["assignment_id"])
        with REFERENCE.checked(None if is_cancelled else wanted["reference"], load_id):
            before = change(load, changes)
        if before:
            db.session.flush()
            cancelled = is_cancelled and "status" in before
            event_type = EventType.LOAD_CANCELLED if cancelled else EventType.LOAD_UPDATED
            record_load(event_type, load, before=before, **told)
    return load


def _current_assignment(load_id: int) -> dict[str, Any]:
    """Return the driver and the id of the assignment that a locked load is in, if it is in one."""
    query = select(Assignment).where(Assignment.load_id == load_id, Assignment.closed_at.is_(None))
    assignment = db.session.scalar(query.options(joinedload(Assignment.driver)))
    if assignment is None:
        return {}
    return {"driver": assignment.driver, "assignment_id": assignment.id}


def comment(
    load_id: int, text: str, visible_to_driver: bool = False, by_driver: bool = False
) -> LoadEvent:
    """Add a comment to the load's timeline; return its event, of the driver who may see it."""
    said = {"text": text, "visibleToDriver": visible_to_driver, "byDriver": by_driver}
    with transaction():
        load = lock(Load, load_id)
        told = _current_assignment(load_id) if visible_to_driver else {}
        event_id = record_load(EventType.LOAD_COMMENTED, load, comment=said, **told)
        execute_pending()
        return db.session.get_one(LoadEvent, event_id)


def comments_for_driver(load_id: int, limit: int, cursor: Position | None = None) -> Page:
    """Return a page of the comments on a load that its driver may see, oldest first."""
    is_visible = LoadEvent.payload["comment"]["visibleToDriver"].as_boolean()
    return _events(load_id, limit, cursor, LoadEvent.type == EventType.LOAD_COMMENTED, is_visible)


def load_timeline(load_id: int, limit: int, cursor: Position | None = None) -> Page:
    """Return a page of the load's events, oldest first. Raises `NotFound`."""
    get_or_not_found(Load, load_id)
    return _events(load_id, limit, cursor)


def _events(
    load_id: int, limit: int, cursor: Position | None, *conditions: ColumnElement[bool]
) -> Page:
    query = select(LoadEvent).where(LoadEvent.load_id == load_id, *conditions)
    order = [LoadEvent.created_at, LoadEvent.id]
    return paginate(query, order, limit, cursor, newest_first=False)
