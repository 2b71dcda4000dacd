"""The iron rule: a driver has at most one active load, and a load at most one driver.

PostgreSQL enforces it, with two partial unique indexes. The checks (`rule.py`) come first and give
a more precise refusal; of what goes past the locks the index refuses one.

Rows are always locked in the order drivers, loads, assignments, and those of one table by rising
id; a driver's assignments, so, one after the other, and each begins after the one before has ended.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import aliased

from billor.assignments.reading import active_assignment_id
from billor.assignments.rule import BLOCKED_BY, Pair, refusal
from billor.database import get_or_not_found, table, transaction
from billor.errors import Conflict, NotFound, NothingAssigned
from billor.events.event import EventType
from billor.events.outbox import RecordedChange
from billor.loads import outbox
from billor.locking import LockingQuery
from billor.models import (
    Assignment,
    AssignmentStatus,
    Driver,
    Load,
    LoadStatus,
)

# What closing an assignment does to its load, and the event that tells of it.
CLOSING = {
    AssignmentStatus.COMPLETED: (LoadStatus.COMPLETED, EventType.LOAD_COMPLETED),
    AssignmentStatus.CANCELLED: (LoadStatus.OPEN, EventType.ASSIGNMENT_CANCELLED),
}
NEXT_MOMENT = timedelta(microseconds=1)
"""What PostgreSQL tells times apart by."""

LOCK_DRIVER_AND_LOAD = LockingQuery(
    [Driver, Load], Driver.id == bindparam("driver_id"), Load.id == bindparam("load_id")
)
LOCK_ASSIGNMENT = LockingQuery(
    [Driver, Load, Assignment],
    Assignment.id == bindparam("assignment_id"),
    Driver.id == Assignment.driver_id,
    Load.id == Assignment.load_id,
)
LowerDriver, HigherDriver = aliased(Driver), aliased(Driver)
LOCK_ASSIGNMENT_AND_BOTH_DRIVERS = LockingQuery(
    [LowerDriver, HigherDriver, Load, Assignment],
    Assignment.id == bindparam("assignment_id"),
    LowerDriver.id == func.least(Assignment.driver_id, bindparam("driver_id")),
    HigherDriver.id == func.greatest(Assignment.driver_id, bindparam("driver_id")),
    Load.id == Assignment.load_id,
)
# An assignment is written together with its load and the event.
UPDATE_LOAD = (
    update(table(Load))
    .where(table(Load).c.id == bindparam("load"))
    .values(status=bindparam("load_status"), updated_at=bindparam("now"))
    .cte("update_load")
)
NEW_ASSIGNMENT = (
    insert(table(Assignment))
    .values(
        driver_id=bindparam("driver"),
        load_id=bindparam("load"),
        status=AssignmentStatus.ASSIGNED,
        assigned_at=bindparam("now"),
    )
    .returning(table(Assignment).c.id)
    .cte("new_assignment")
)
ASSIGN = RecordedChange(
    UPDATE_LOAD, NEW_ASSIGNMENT, assignment_id=select(NEW_ASSIGNMENT.c.id).scalar_subquery()
)
UPDATE_ASSIGNMENT = (
    update(table(Assignment))
    .where(table(Assignment).c.id == bindparam("assignment"))
    .values(status=bindparam("closed_as"), closed_at=bindparam("now"))
    .cte("update_assignment")
)
CLOSE = RecordedChange(UPDATE_LOAD, UPDATE_ASSIGNMENT)


def assign(driver_id: int, load_id: int) -> Assignment:
    """Give an OPEN load to an ACTIVE driver without one.

    Raises `NotFound`, and `Conflict` `driver_already_assigned`, `load_already_assigned`,
    `load_not_open` or `driver_inactive`, in this order of precedence; the first two name the
    `assignmentId` that is in the way.
    """
    try:
        with transaction():
            driver, load, now = _lock_driver_and_load(driver_id, load_id)
            assignment = _assign(driver, load, now)
    except Conflict as refused:
        _name_blocker(refused, Pair(driver_id, load_id))
        raise
    return assignment


def close_assignment(
    assignment_id: int, status: str, check: Callable[[Assignment], None] | None = None
) -> Assignment:
    """Complete or cancel an active assignment.

    Its load becomes COMPLETED with it, or OPEN again. `check` may refuse, seeing the assignment
    as it is before. One that has the status already is left as it is: the answer of the request
    that closed it may be lost.

    Raises `NotFound`, what `check` raises, and `Conflict` `assignment_not_active` if it was
    closed before with the other status.
    """
    closed_as = AssignmentStatus(status)
    with transaction():
        driver, load, assignment, now = LOCK_ASSIGNMENT.rows(assignment_id=assignment_id)
        assignment.driver, assignment.load = driver, load
        if check is not None:
            check(assignment)
        if assignment.status != closed_as:
            _close(assignment, closed_as, now)
    return assignment


def complete_active_assignment(
    driver_id: int, check: Callable[[Assignment], None] | None = None
) -> Assignment:
    """Complete a driver's active assignment.

    Raises `NothingAssigned`, and what `close_assignment` does.
    """
    with transaction():
        assignment_id = active_assignment_id(Assignment.driver_id == driver_id)
        if assignment_id is None:
            raise NothingAssigned("no_active_assignment")
        return close_assignment(assignment_id, AssignmentStatus.COMPLETED, check)


def reassign(
    assignment_id: int, driver_id: int, check: Callable[[Assignment], None] | None = None
) -> Assignment:
    """Cancel an active assignment, and give its load to another driver at once.

    `check` may refuse, seeing the assignment as it is before. Returns the new assignment with its
    driver and its load.

    Raises `NotFound` for the assignment or the driver, what `check` raises, and `Conflict`
    `assignment_not_active`, `driver_already_assigned` with the `assignmentId` in the way, or
    `driver_inactive`; then nothing has changed.
    """
    try:
        with transaction():
            old, driver, now = _lock_for_reassignment(assignment_id, driver_id)
            if check is not None:
                check(old)
            _close(old, AssignmentStatus.CANCELLED, now)
            # Later than that, so that whoever sees both states of the load knows the newer.
            new = _assign(driver, old.load, now + NEXT_MOMENT)
            new.driver, new.load = driver, old.load
    except Conflict as refused:
        _name_blocker(refused, Pair(driver_id, old.load_id))
        raise
    return new


def _assign(driver: Driver, load: Load, now: datetime) -> Assignment:
    """Assign a load to a driver, both locked, or raise the refusal."""
    pair = Pair(driver.id, load.id)
    refused = refusal(pair, driver, load, driver_has_load=driver.has_load, load_has_driver=False)
    if refused is not None:
        raise refused
    load.status, load.updated_at = LoadStatus.ASSIGNED, now
    values = {"driver": driver.id, "load": load.id, "load_status": load.status, "now": now}
    event = outbox.event(EventType.LOAD_ASSIGNED, load, driver=driver)
    return Assignment(
        id=ASSIGN.run(event, values).scalar_one(),
        driver_id=driver.id,
        load_id=load.id,
        status=AssignmentStatus.ASSIGNED,
        assigned_at=now,
    )


def _close(assignment: Assignment, closed_as: AssignmentStatus, now: datetime) -> None:
    """Close an assignment, locked with its driver and its load.

    Raises `Conflict` `assignment_not_active`.
    """
    if assignment.status != AssignmentStatus.ASSIGNED:
        raise Conflict("assignment_not_active")
    load = assignment.load
    load_status, event_type = CLOSING[closed_as]
    assignment.status, assignment.closed_at = closed_as, now
    load.status, load.updated_at = load_status, now
    values = {
        "assignment": assignment.id,
        "closed_as": closed_as,
        "load": load.id,
        "load_status": load_status,
        "now": now,
    }
    event = outbox.event(event_type, load, driver=assignment.driver, assignment=assignment)
    CLOSE.run(event, values)


def _lock_driver_and_load(driver_id: int, load_id: int) -> tuple[Driver, Load, datetime]:
    try:
        return LOCK_DRIVER_AND_LOAD.rows(driver_id=driver_id, load_id=load_id)
    except NotFound:
        get_or_not_found(Driver, driver_id)  # it may be the driver
        raise


def _lock_for_reassignment(
    assignment_id: int, driver_id: int
) -> tuple[Assignment, Driver, datetime]:
    """Return the assignment with its driver and its load, and the other driver."""
    ids = {"driver_id": driver_id, "assignment_id": assignment_id}
    try:
        *drivers, load, assignment, now = LOCK_ASSIGNMENT_AND_BOTH_DRIVERS.rows(**ids)
    except NotFound:
        get_or_not_found(Assignment, assignment_id)
        get_or_not_found(Driver, driver_id)
        raise
    by_id = {driver.id: driver for driver in drivers}
    assignment.driver, assignment.load = by_id[assignment.driver_id], load
    return assignment, by_id[driver_id], now


def _name_blocker(refused: Conflict, pair: Pair) -> None:
    """Add the id of the active assignment that is in the way, if it still is."""
    if name := BLOCKED_BY.get(refused.code):
        assignment_id = active_assignment_id(getattr(Assignment, name) == getattr(pair, name))
        if assignment_id is not None:
            refused.extra["assignmentId"] = assignment_id
