"""The iron rule: a driver has at most one active load, and a load at most one driver.

PostgreSQL enforces it, with two partial unique indexes. The checks here come first and give a more
precise refusal; of two requests at the same moment the index refuses one.

Rows are always locked in the order driver, load, assignment; a driver's assignments, so, one after
the other, and each begins after the one before has ended.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Text, bindparam, cast, insert, select, update
from sqlalchemy.orm import contains_eager
from sqlalchemy.orm.attributes import set_committed_value

from billor.database import LockingQuery, execute, get_or_not_found, table, transaction
from billor.errors import Conflict, NotFound, NothingAssigned
from billor.events.event import EventType
from billor.extensions import db
from billor.keyset import Page, Position, one_for_each_status, paginate
from billor.loads import outbox
from billor.models import (
    Assignment,
    AssignmentStatus,
    Driver,
    DriverStatus,
    Load,
    LoadStatus,
)

# What closing an assignment does to its load, and the event that tells of it.
CLOSING = {
    AssignmentStatus.COMPLETED: (LoadStatus.COMPLETED, EventType.LOAD_COMPLETED),
    AssignmentStatus.CANCELLED: (LoadStatus.OPEN, EventType.ASSIGNMENT_CANCELLED),
}

HAS_LOAD = Assignment.status == AssignmentStatus.ASSIGNED

LOCK_DRIVER_AND_LOAD = LockingQuery(
    [Driver, Load], Driver.id == bindparam("driver_id"), Load.id == bindparam("load_id")
)
LOCK_ASSIGNMENT = LockingQuery(
    [Driver, Load, Assignment],
    Assignment.id == bindparam("assignment_id"),
    Driver.id == Assignment.driver_id,
    Load.id == Assignment.load_id,
)
# An assignment is written together with its load.
UPDATE_LOAD = (
    update(table(Load))
    .where(table(Load).c.id == bindparam("load"))
    .values(status=bindparam("load_status"), updated_at=bindparam("now"))
    .cte("update_load")
)
INSERT = (
    insert(table(Assignment))
    .values(
        driver_id=bindparam("driver"),
        load_id=bindparam("load"),
        status=AssignmentStatus.ASSIGNED,
        assigned_at=bindparam("now"),
    )
    .returning(table(Assignment).c.id)
    .add_cte(UPDATE_LOAD)
)
CLOSE = (
    update(table(Assignment))
    .where(table(Assignment).c.id == bindparam("assignment"))
    .values(status=bindparam("closed_as"), closed_at=bindparam("now"))
    .add_cte(UPDATE_LOAD)
)


def assign(driver_id: int, load_id: int) -> Assignment:
    """Give an OPEN load to an ACTIVE driver without one.

    Raises `NotFound`, and `Conflict` `driver_already_assigned`, `load_already_assigned`,
    `load_not_open` or `driver_inactive`, in this order of precedence; the first two name the
    `assignmentId` that is in the way.
    """
    try:
        with transaction():
            driver, load, now = _lock_driver_and_load(driver_id, load_id)
            if driver.status != DriverStatus.ACTIVE or load.status != LoadStatus.OPEN:
                raise _refusal(driver, load)
            load.status, load.updated_at = LoadStatus.ASSIGNED, now
            values = {"driver": driver_id, "load": load_id, "load_status": load.status, "now": now}
            assignment = Assignment(
                id=execute(INSERT, values).scalar_one(),
                driver_id=driver_id,
                load_id=load_id,
                status=AssignmentStatus.ASSIGNED,
                assigned_at=now,
            )
            outbox.record(EventType.LOAD_ASSIGNED, load, driver=driver, assignment=assignment)
    except Conflict as refusal:
        _name_blocker(refusal, driver_id, load_id)
        raise
    return assignment


def get_assignment(assignment_id: int) -> Assignment:
    """Return an assignment with its driver and its load. Raises `NotFound`."""
    assignment = _find_whole(Assignment.id == assignment_id)
    if assignment is None:
        raise NotFound("Assignment", assignment_id)
    return assignment


def active_assignment(driver_id: int) -> Assignment:
    """Return a driver's active assignment with its driver and its load.

    Raises `NothingAssigned`.
    """
    assignment = _find_whole(Assignment.driver_id == driver_id, HAS_LOAD)
    if assignment is None:
        raise NothingAssigned("no_active_assignment")
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
    load_status, event_type = CLOSING[closed_as]
    with transaction():
        driver, load, assignment, now = LOCK_ASSIGNMENT.rows(assignment_id=assignment_id)
        assignment.driver, assignment.load = driver, load
        if check is not None:
            check(assignment)
        if assignment.status == closed_as:
            return assignment
        if assignment.status != AssignmentStatus.ASSIGNED:
            raise Conflict("assignment_not_active")
        assignment.status, assignment.closed_at = closed_as, now
        load.status, load.updated_at = load_status, now
        values = {
            "assignment": assignment_id,
            "closed_as": closed_as,
            "load": load.id,
            "load_status": load_status,
            "now": now,
        }
        execute(CLOSE, values)
        outbox.record(event_type, load, driver=driver, assignment=assignment)
    return assignment


def complete_active_assignment(
    driver_id: int, check: Callable[[Assignment], None] | None = None
) -> Assignment:
    """Complete a driver's active assignment.

    Raises `NothingAssigned`, and what `close_assignment` does.
    """
    with transaction():
        assignment_id = _active_assignment_id(Assignment.driver_id == driver_id)
        if assignment_id is None:
            raise NothingAssigned("no_active_assignment")
        return close_assignment(assignment_id, AssignmentStatus.COMPLETED, check)


def list_assignments(
    limit: int,
    cursor: Position | None = None,
    driver_id: int | None = None,
    load_id: int | None = None,
    status: Collection[str] = (),
    with_loads: bool = False,
) -> Page:
    """Return a page of assignments, newest first; `with_loads`, each has its load."""
    queries = one_for_each_status(
        select(Assignment),
        status or AssignmentStatus,
        Assignment.status,
        {Assignment.driver_id: driver_id, Assignment.load_id: load_id},
        lambda id_: cast(id_, Text),
    )
    page = paginate(queries, [Assignment.assigned_at, Assignment.id], cursor, limit)
    if with_loads:
        _add_loads(page.items)
    return page


def _find_whole(*conditions: ColumnElement[bool]) -> Assignment | None:
    return db.session.scalar(
        select(Assignment)
        .join(Assignment.driver)
        .join(Assignment.load)
        .where(*conditions)
        .options(contains_eager(Assignment.driver), contains_eager(Assignment.load))
    )


def _add_loads(assignments: Iterable[Assignment]) -> None:
    ids = {assignment.load_id for assignment in assignments}
    loads = {load.id: load for load in db.session.scalars(select(Load).where(Load.id.in_(ids)))}
    for assignment in assignments:
        set_committed_value(assignment, "load", loads[assignment.load_id])


def _lock_driver_and_load(driver_id: int, load_id: int) -> tuple[Driver, Load, datetime]:
    try:
        return LOCK_DRIVER_AND_LOAD.rows(driver_id=driver_id, load_id=load_id)
    except NotFound:
        get_or_not_found(Driver, driver_id)  # it may be the driver
        raise


def _refusal(driver: Driver, load: Load) -> Conflict:
    if _active_assignment_id(Assignment.driver_id == driver.id) is not None:
        return Conflict("driver_already_assigned")
    if load.status == LoadStatus.ASSIGNED:
        return Conflict("load_already_assigned")
    if load.status != LoadStatus.OPEN:
        return Conflict("load_not_open")
    return Conflict("driver_inactive")


def _name_blocker(refusal: Conflict, driver_id: int, load_id: int) -> None:
    """Add the id of the active assignment that is in the way, if it still is."""
    blocking = {
        "driver_already_assigned": Assignment.driver_id == driver_id,
        "load_already_assigned": Assignment.load_id == load_id,
    }
    if refusal.code in blocking:
        assignment_id = _active_assignment_id(blocking[refusal.code])
        if assignment_id is not None:
            refusal.extra["assignmentId"] = assignment_id


def _active_assignment_id(condition) -> int | None:
    return db.session.scalar(select(Assignment.id).where(condition, HAS_LOAD))
