"""The one-active-load rule: a driver has at most one active load, and a load at most one driver.

PostgreSQL enforces it, with two partial unique indexes. The checks here come first and give a more
precise refusal.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, select, update
from sqlalchemy import Row as SqlRow
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value

from billor.assignments.schemas import AssignmentSchema
from billor.database import (
    Check,
    Row,
    execute,
    get_or_not_found,
    lock,
    lock_all,
    lock_in_table,
    table,
    transaction,
    unchecked,
)
from billor.database.keyset import Page, Position, paginate
from billor.drivers.service import words_of
from billor.errors import BillorError, Conflict, NotFound
from billor.events.event import EventType
from billor.loads.service import record_load
from billor.models import Assignment, AssignmentStatus, Driver, DriverStatus, Load, LoadStatus, db

IS_ACTIVE = Assignment.status == AssignmentStatus.ASSIGNED
WITH_BOTH = (joinedload(Assignment.driver), joinedload(Assignment.load))

_ASSIGNMENTS, _LOADS = table(Assignment), table(Load)
ADD_ASSIGNMENT = insert(_ASSIGNMENTS).returning(*_ASSIGNMENTS.c)
MARK_LOAD = (
    update(_LOADS)
    .where(_LOADS.c.id == bindparam("load_id"))
    .values(status=LoadStatus.ASSIGNED, driver_words=words_of(bindparam("driver_id")))
    .returning(*_LOADS.c)
)

# What closing an assignment does to its load, and the event of it.
CLOSING = {
    AssignmentStatus.COMPLETED: (LoadStatus.COMPLETED, EventType.LOAD_COMPLETED),
    AssignmentStatus.CANCELLED: (LoadStatus.OPEN, EventType.ASSIGNMENT_CANCELLED),
}
REOPENED_WITHIN = timedelta(days=1)

_schema = AssignmentSchema()


def assign(driver_id: int, load_id: int) -> SqlRow:
    """Give an OPEN load to an ACTIVE driver without one; return the assignment.

    It runs statements past the session, which halves its time. An object of the load that was in
    the session is stale after it.

    Raises `NotFound`, and `Conflict` `driver_already_assigned`, `load_already_assigned`,
    `load_not_open` or `driver_inactive`, in this order of precedence; the first two name the
    blocking `assignmentId`.
    """
    with transaction():
        driver = lock_in_table(Driver, driver_id)
        load = lock_in_table(Load, load_id)
        _refuse(driver, load)
        both = {"driver_id": driver_id, "load_id": load_id}
        assignment = execute(ADD_ASSIGNMENT, both).one()
        load = execute(MARK_LOAD, both).one()
        record_load(EventType.ASSIGNED, load, driver=driver, assignment_id=assignment.id)
    return assignment


def assign_many(assignments: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """Make those of the assignments that can be made, in order and in one transaction.

    Each has a `driver_id` and a `load_id`. Returns how many were `assigned` and `refused`, and of
    each of the `rows`, in the same order, its `row` from 1, `driver_id`, `load_id`, and either the
    `assignment_id` or the `error`, which is what `assign` would raise.
    """
    outcomes: list[Assignment | BillorError] = []
    with transaction():
        drivers = lock_all(Driver, {pair["driver_id"] for pair in assignments})
        loads = lock_all(Load, {pair["load_id"] for pair in assignments})
        for pair in assignments:
            try:
                driver = _found(drivers, "Driver", pair["driver_id"])
                load = _found(loads, "Load", pair["load_id"])
                _refuse(driver, load)
                outcomes.append(_add(driver, load))
            except (NotFound, Conflict) as refused:
                outcomes.append(refused)
        db.session.flush()
        made = [outcome for outcome in outcomes if isinstance(outcome, Assignment)]
        for assignment in made:
            _record(EventType.ASSIGNED, assignment)
    rows = [
        {"row": row, **pair}
        | ({"assignment_id": outcome.id} if isinstance(outcome, Assignment) else {"error": outcome})
        for row, (pair, outcome) in enumerate(zip(assignments, outcomes, strict=True), start=1)
    ]
    return {"assigned": len(made), "refused": len(rows) - len(made), "rows": rows}


def _found(rows: Mapping[int, Row], thing: str, id_: int) -> Row:
    if id_ not in rows:
        raise NotFound(thing, id_)
    return rows[id_]


def _refuse(
    driver: Driver | SqlRow, load: Load | SqlRow, free: LoadStatus = LoadStatus.OPEN
) -> None:
    """Raise why the load cannot be assigned to the driver, if so. Both are locked.

    `free` is the status that the load must have.
    """
    if driver.has_load:
        raise _blocked("driver_already_assigned", Assignment.driver_id == driver.id)
    if load.status == LoadStatus.ASSIGNED:
        raise _blocked("load_already_assigned", Assignment.load_id == load.id)
    if load.status != free:
        raise Conflict("load_not_open")
    if driver.status != DriverStatus.ACTIVE:
        raise Conflict("driver_inactive")


def _add(driver: Driver, load: Load) -> Assignment:
    """Add an assignment to the session."""
    assignment = Assignment(driver=driver, load=load, status=AssignmentStatus.ASSIGNED)
    load.status, load.driver_words = LoadStatus.ASSIGNED, words_of(driver.id)
    set_committed_value(driver, "has_load", True)  # by the trigger
    db.session.add(assignment)
    return assignment


def close_assignment(assignment_id: int, status: str, check: Check = unchecked) -> Assignment:
    """Complete or cancel an active assignment. Its load becomes COMPLETED with it, or OPEN again.

    One that has the status already is left as it is: the answer of the request that closed it may
    be lost. Raises `NotFound`, and `Conflict` `assignment_not_active` if it was closed before with
    the other status.
    """
    closed_as = AssignmentStatus(status)
    with transaction():
        assignment = lock_with_driver_and_load(assignment_id, check)
        if assignment.status != closed_as:
            _close(assignment, closed_as)
    return assignment


def reassign(assignment_id: int, driver_id: int, check: Check = unchecked) -> Assignment:
    """Cancel an active assignment and give its load to another driver, or change nothing.

    Returns the new assignment. Raises `NotFound` for the assignment or the driver, and `Conflict`
    `assignment_not_active`, `driver_already_assigned` with the blocking `assignmentId`, or
    `driver_inactive`.
    """
    with transaction():
        old = lock_with_driver_and_load(assignment_id, check, driver_id)
        _close(old, AssignmentStatus.CANCELLED)
        if driver_id == old.driver_id:
            raise Conflict("driver_already_assigned", assignmentId=old.id)
        new = assign(driver_id, old.load_id)
        return get_assignment(new.id, populate_existing=True)


def lock_with_driver_and_load(assignment_id: int, check: Check, *driver_ids: int) -> Assignment:
    """Lock the assignment's driver, other drivers, and its load; return the assignment with both.

    Nobody changes an assignment without these locks.
    """
    found = get_or_not_found(Assignment, assignment_id)
    for driver_id in sorted({found.driver_id, *driver_ids}):
        lock(Driver, driver_id)
    lock(Load, found.load_id)
    assignment = get_assignment(assignment_id, populate_existing=True)
    check(assignment)
    return assignment


def _close(assignment: Assignment, closed_as: AssignmentStatus) -> None:
    """Close an assignment, locked with its driver and its load.

    Raises `Conflict` `assignment_not_active`.
    """
    if assignment.status != AssignmentStatus.ASSIGNED:
        raise Conflict("assignment_not_active")
    load_status, event_type = CLOSING[closed_as]
    assignment.status, assignment.load.status = closed_as, load_status
    if load_status == LoadStatus.OPEN:
        assignment.load.driver_words = None
    assignment.closed_at = func.clock_timestamp()
    db.session.flush()
    _record(event_type, assignment)


def reopen(assignment_id: int, reason: str, check: Check = unchecked) -> Assignment:
    """Make an assignment active again that was closed by mistake, for `REOPENED_WITHIN`.

    An active one is left as it is. Raises `NotFound`, `Conflict` `too_late_to_reopen`, and the
    conflicts of `assign` if the driver or the load is no longer free.
    """
    with transaction():
        assignment = lock_with_driver_and_load(assignment_id, check)
        if assignment.closed_at is None:
            return assignment
        if datetime.now(UTC) - assignment.closed_at > REOPENED_WITHIN:
            raise Conflict("too_late_to_reopen")
        left_as, _ = CLOSING[assignment.status]
        _refuse(assignment.driver, assignment.load, left_as)
        assignment.status, assignment.load.status = AssignmentStatus.ASSIGNED, LoadStatus.ASSIGNED
        assignment.load.driver_words = words_of(assignment.driver_id)
        assignment.closed_at = None
        db.session.flush()
        details = {"reason": reason, "assignment": _schema.dump(assignment)}
        _record(EventType.ASSIGNMENT_REOPENED, assignment, **details)
    return assignment


def _record(event_type: EventType, assignment: Assignment, /, **details: Any) -> None:
    driver, load = assignment.driver, assignment.load
    record_load(event_type, load, driver=driver, assignment_id=assignment.id, **details)


def get_assignment(assignment_id: int, **options: Any) -> Assignment:
    """Return an assignment with its driver and its load. Raises `NotFound`."""
    return get_or_not_found(Assignment, assignment_id, options=WITH_BOTH, **options)


def own_assignment(driver_id: int, assignment_id: int | None = None) -> Assignment:
    """Return a driver's assignment, by default the active one, with its driver and its load.

    Raises `no_active_assignment`, and `NotFound`, also for that of another driver.
    """
    is_asked = IS_ACTIVE if assignment_id is None else Assignment.id == assignment_id
    own = select(Assignment).where(Assignment.driver_id == driver_id, is_asked)
    assignment = db.session.scalar(own.options(*WITH_BOTH))
    if assignment is not None:
        return assignment
    if assignment_id is not None:
        raise NotFound("Assignment", assignment_id)
    raise BillorError("no_active_assignment")


def list_assignments(
    limit: int,
    cursor: Position | None = None,
    driver_id: int | None = None,
    load_id: int | None = None,
    status: Collection[str] = (),
    expand: Collection[str] = (),
) -> Page:
    """Return a page of assignments, newest first; `expand` may be `driver` and `load`."""
    query = select(Assignment)
    if driver_id is not None:
        query = query.where(Assignment.driver_id == driver_id)
    if load_id is not None:
        query = query.where(Assignment.load_id == load_id)
    if status:
        query = query.where(Assignment.status.in_(status))
    order = [Assignment.assigned_at, Assignment.id]
    related = [joinedload(getattr(Assignment, name)) for name in expand]
    return paginate(query, order, cursor, limit, related=related)


def _blocked(code: str, condition: ColumnElement[bool]) -> Conflict:
    """Return the refusal that names the active assignment of a driver or a load."""
    active = select(Assignment.id).where(condition, IS_ACTIVE)
    return Conflict(code, assignmentId=db.session.scalar(active))
