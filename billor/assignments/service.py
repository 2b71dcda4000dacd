"""The one-active-load rule: a driver has at most one active load, and a load at most one driver.

Beside it a driver may have one planned load, which stays OPEN until it is activated. PostgreSQL
enforces both, by partial unique indexes; the checks here give a more precise refusal.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, text, update
from sqlalchemy import Row as SqlRow
from sqlalchemy.dialects.postgresql import insert
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
from billor.drivers.service import PAPERS, today, words_of
from billor.errors import CODES, BillorError, Conflict, Invalid, NotFound
from billor.events.event import EventType
from billor.loads.service import comment, record_load
from billor.models import (
    INSERTED_AT,
    IS_CURRENT,
    WRITTEN_AT,
    Assignment,
    AssignmentStatus,
    Document,
    DocumentKind,
    Driver,
    DriverStatus,
    Load,
    LoadEvent,
    LoadStatus,
    db,
)

IS_ACTIVE = Assignment.status == AssignmentStatus.ASSIGNED
IS_PLANNED = Assignment.status == AssignmentStatus.PLANNED
_OF_DRIVER = joinedload(Assignment.driver)
WITH_NEXT = (
    _OF_DRIVER.joinedload(Driver.assignment).joinedload(Assignment.load),
    _OF_DRIVER.joinedload(Driver.planned).joinedload(Assignment.load),
    joinedload(Assignment.load),
)

_ASSIGNMENTS, _LOADS = table(Assignment), table(Load)
_NEW = insert(_ASSIGNMENTS)
_IS_SAME_DRIVER = _NEW.excluded.driver_id == _ASSIGNMENTS.c.driver_id
_BECOMES_ACTIVE = _NEW.excluded.status == AssignmentStatus.ASSIGNED
# Activates the planned one if it is the same.
ADD_ASSIGNMENT = _NEW.on_conflict_do_update(
    index_elements=[_ASSIGNMENTS.c.load_id],
    index_where=text(IS_CURRENT),
    set_={"status": _NEW.excluded.status, "assigned_at": WRITTEN_AT},
    where=_IS_SAME_DRIVER & _BECOMES_ACTIVE,
).returning(*_ASSIGNMENTS.c)
MARK_LOAD = (
    update(_LOADS)
    .where(_LOADS.c.id == bindparam("load_id"))
    .values(status=bindparam("load_status"), driver_words=words_of(bindparam("driver_id")))
    .returning(*_LOADS.c)
)

# What a status of an assignment does to its load, and the event of it.
OUTCOMES = {
    AssignmentStatus.PLANNED: (LoadStatus.OPEN, EventType.LOAD_PLANNED),
    AssignmentStatus.ASSIGNED: (LoadStatus.ASSIGNED, EventType.ASSIGNED),
    AssignmentStatus.COMPLETED: (LoadStatus.COMPLETED, EventType.LOAD_COMPLETED),
    AssignmentStatus.CANCELLED: (LoadStatus.OPEN, EventType.ASSIGNMENT_CANCELLED),
}
DRIVEN = {AssignmentStatus.ASSIGNED, AssignmentStatus.COMPLETED}
MAX_SKEW = timedelta(minutes=5)  # how far the clock of a phone may be off
NOT_ACTIVE_THEN = "The assignment was not active at that time. See its `assignedAt` and `closedAt`."
REOPENED_WITHIN = timedelta(days=1)
DOCUMENTED_WITHIN = timedelta(days=1)
PLAN_IT = 'Or make this the next load, with `"plan": true`.'

_schema = AssignmentSchema()


def assign(driver_id: int, load_id: int, *, plan: bool = False) -> SqlRow:
    """Give an OPEN load to a driver; return the assignment. With `plan` it may become the next one.

    It runs statements past the session, which halves its time, and leaves objects there stale.
    """
    with transaction():
        driver = lock_in_table(Driver, driver_id)
        load = lock_in_table(Load, load_id)
        is_next = plan and driver.has_load
        refuse(driver, load, is_next=is_next)
        status = AssignmentStatus.PLANNED if is_next else AssignmentStatus.ASSIGNED
        load_status, event_type = OUTCOMES[status]
        both = {"driver_id": driver_id, "load_id": load_id}
        assignment = execute(ADD_ASSIGNMENT, both | {"status": status}).one_or_none()
        if assignment is None:
            raise _blocked("load_already_planned", Assignment.load_id == load_id, IS_PLANNED)
        load = execute(MARK_LOAD, both | {"load_status": load_status}).one()
        record_load(event_type, load, driver=driver, assignment_id=assignment.id)
    return assignment


def assign_many(assignments: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """Make those of the assignments that can be made, in order and in one transaction.

    Returns the attributes of `BulkReportSchema`, with the `error` that `assign` would raise.
    """
    rows: list[dict[str, Any]] = []
    with transaction():
        drivers = lock_all(Driver, {pair["driver_id"] for pair in assignments})
        loads = lock_all(Load, {pair["load_id"] for pair in assignments})
        plans = select(Assignment).where(Assignment.load_id.in_(loads), IS_PLANNED)
        planned = {plan.load_id: plan for plan in db.session.scalars(plans.options(_OF_DRIVER))}
        for number, pair in enumerate(assignments, start=1):
            row: dict[str, Any] = {"row": number, **pair}
            rows.append(row)
            try:
                driver = _found(drivers, "Driver", pair["driver_id"])
                load = _found(loads, "Load", pair["load_id"])
                refuse(driver, load)
                plan = planned.get(load.id) or Assignment(driver=driver, load=load)
                if plan.driver is not driver:
                    raise Conflict("load_already_planned", assignmentId=plan.id)
                row["assignment"] = _activate(plan)
            except (NotFound, Conflict) as refused:
                row["error"] = refused
        db.session.flush()
        made = [row["assignment"] for row in rows if "assignment" in row]
        for assignment in made:
            record_assignment(EventType.ASSIGNED, assignment)
    return {"assigned": len(made), "refused": len(rows) - len(made), "rows": rows}


def _found(rows: Mapping[int, Row], thing: str, id_: int) -> Row:
    if id_ not in rows:
        raise NotFound(thing, id_)
    return rows[id_]


def refuse(
    driver: Driver | SqlRow,
    load: Load | SqlRow,
    free: LoadStatus = LoadStatus.OPEN,
    *,
    is_next: bool = False,
) -> None:
    """Raise why the load, which must be `free`, cannot be assigned to the driver, both locked."""
    if driver.has_load and not is_next:
        raise _driver_assigned(driver, load)
    if load.status == LoadStatus.ASSIGNED:
        raise _blocked("load_already_assigned", Assignment.load_id == load.id, IS_ACTIVE)
    if load.status != free:
        raise Conflict("load_not_open")
    if driver.status != DriverStatus.ACTIVE:
        raise Conflict("driver_inactive")
    _refuse_expired_papers(driver)
    if is_next:
        _refuse_planned("driver_already_planned", Assignment.driver_id == driver.id)
        _refuse_planned("load_already_planned", Assignment.load_id == load.id)


def _refuse_expired_papers(driver: Driver | SqlRow) -> None:
    for paper, column in PAPERS.items():
        last_day = getattr(driver, column.key)
        if last_day is not None and last_day < today():
            raise Conflict(
                "driver_papers_expired",
                f"The driver's {paper} expired on {last_day}. Enter the date of the new one, or "
                "choose another driver.",
                paper=paper,
                expiredOn=last_day.isoformat(),
                driverId=driver.id,
            )


def _driver_assigned(driver: Driver | SqlRow, load: Load | SqlRow) -> Conflict:
    """Return the refusal that says whether this can be the driver's next load."""
    code, detail, can_plan = "driver_already_assigned", None, False
    with suppress(Conflict):
        refuse(driver, load, is_next=True)
        detail, can_plan = f"{CODES[code].detail} {PLAN_IT}", True
    active = _blocked(code, Assignment.driver_id == driver.id, IS_ACTIVE)
    return Conflict(code, detail, canPlan=can_plan, **active.extra)


def _refuse_planned(code: str, condition: ColumnElement[bool]) -> None:
    refusal = _blocked(code, condition, IS_PLANNED)
    if refusal.extra["assignmentId"] is not None:
        raise refusal


def _activate(assignment: Assignment) -> Assignment:
    """Make an assignment active, whose driver and load are locked and free."""
    driver, load = assignment.driver, assignment.load
    if assignment.status == AssignmentStatus.PLANNED:
        assignment.assigned_at = WRITTEN_AT
    assignment.status = AssignmentStatus.ASSIGNED
    load.status, load.driver_words = LoadStatus.ASSIGNED, words_of(driver.id)
    set_committed_value(driver, "has_load", True)  # by the trigger
    db.session.add(assignment)
    return assignment


def change_status(
    assignment_id: int, status: str, check: Check = unchecked, happened_at: datetime | None = None
) -> Assignment:
    """Complete, cancel or activate an assignment. One that has the status is left as it is."""
    wanted = AssignmentStatus(status)
    with transaction():
        assignment = lock_with_driver_and_load(assignment_id, check)
        if assignment.status == wanted:
            return assignment
        if wanted == AssignmentStatus.ASSIGNED:
            _activate_planned(assignment)
        else:
            _close(assignment, wanted, happened_at)
            _activate_next(assignment.driver)
        return get_assignment(assignment_id, populate_existing=True)


def moment(happened_at: datetime | None, assignment: Assignment) -> datetime:
    """Return when it happened, by default now, and now at the latest."""
    latest = max(now(), assignment.assigned_at)  # PostgreSQL's clock may have been set back
    given = happened_at or latest
    if given > latest + MAX_SKEW:
        raise Invalid({"happenedAt": ["Must not be in the future."]})
    was_active = assignment.assigned_at - MAX_SKEW <= given <= (assignment.closed_at or given)
    if assignment.status not in DRIVEN or not was_active:
        raise Conflict("assignment_not_active", NOT_ACTIVE_THEN)
    return min(given, latest)


def now() -> datetime:
    return db.session.scalars(select(WRITTEN_AT)).one()


def comment_on_own_load(driver_id: int, text: str, assignment_id: int | None = None) -> LoadEvent:
    """Add a driver's comment to the timeline of an own load, by default of the active one."""
    with transaction():
        lock(Driver, driver_id)  # so that the load stays with the driver
        own = own_assignment(driver_id, assignment_id)
        if own.status not in DRIVEN:
            raise Conflict("assignment_not_active")
        return comment(own.load_id, text, visible_to_driver=True, by_driver=True)


def reassign(
    assignment_id: int, driver_id: int, *, plan: bool = False, check: Check = unchecked
) -> Assignment:
    """Cancel an assignment and give its load to another driver; return the new assignment."""
    with transaction():
        old = lock_with_driver_and_load(assignment_id, check, driver_id)
        had = "planned" if old.status == AssignmentStatus.PLANNED else "assigned"
        _close(old, AssignmentStatus.CANCELLED)
        if driver_id == old.driver_id:
            raise Conflict(f"driver_already_{had}", assignmentId=old.id)
        new = assign(driver_id, old.load_id, plan=plan)
        _activate_next(old.driver)
        return get_assignment(new.id, populate_existing=True)


def lock_with_driver_and_load(assignment_id: int, check: Check, *driver_ids: int) -> Assignment:
    """Lock drivers, load and the driver's current loads, as each change of an assignment does."""
    found = get_or_not_found(Assignment, assignment_id)
    for driver_id in sorted({found.driver_id, *driver_ids}):
        lock(Driver, driver_id)
    current = select(Assignment.load_id).filter_by(driver_id=found.driver_id, closed_at=None)
    lock_all(Load, {found.load_id, *db.session.scalars(current)})
    assignment = get_assignment(assignment_id, populate_existing=True)
    check(assignment)
    return assignment


def _close(
    assignment: Assignment, closed_as: AssignmentStatus, happened_at: datetime | None = None
) -> None:
    """Close an assignment, locked with its driver and its load; by default just now."""
    is_planned = assignment.status == AssignmentStatus.PLANNED
    if assignment.closed_at or (is_planned and closed_as == AssignmentStatus.COMPLETED):
        raise Conflict("assignment_not_active")
    load_status, event_type = OUTCOMES[closed_as]
    closed_at = happened_at and max(moment(happened_at, assignment), assignment.assigned_at)
    assignment.status, assignment.load.status = closed_as, load_status
    if load_status == LoadStatus.OPEN:
        assignment.load.driver_words = None
    assignment.closed_at = closed_at or INSERTED_AT
    if is_planned:
        assignment.assigned_at = INSERTED_AT  # it was assigned for no time
    else:
        set_committed_value(assignment.driver, "has_load", False)  # by the trigger
    db.session.flush()
    record_assignment(event_type, assignment)


def _activate_next(driver: Driver) -> None:
    """Activate the planned assignment of a driver, unless something is in its way."""
    if driver.planned is not None:
        with suppress(Conflict):
            _activate_planned(driver.planned)


def _activate_planned(assignment: Assignment) -> None:
    if assignment.status != AssignmentStatus.PLANNED:
        raise Conflict("assignment_not_active")
    refuse(assignment.driver, assignment.load)
    _activate(assignment)
    db.session.flush()
    record_assignment(EventType.ASSIGNED, assignment, planned=True)


def reopen(assignment_id: int, reason: str, check: Check = unchecked) -> Assignment:
    """Make active again what was closed by mistake; the next one is planned again."""
    with transaction():
        assignment = lock_with_driver_and_load(assignment_id, check)
        if assignment.closed_at is None:
            return assignment
        if now() - assignment.closed_at > REOPENED_WITHIN:
            raise Conflict("too_late_to_reopen")
        left_as, _ = OUTCOMES[assignment.status]
        _plan_again(assignment.driver.assignment, assignment)
        refuse(assignment.driver, assignment.load, left_as)
        _refuse_planned("load_already_planned", Assignment.load_id == assignment.load_id)
        _activate(assignment).closed_at = None
        db.session.flush()
        details = {"reason": reason, "assignment": _schema.dump(assignment)}
        record_assignment(EventType.ASSIGNMENT_REOPENED, assignment, **details)
        return get_assignment(assignment_id, populate_existing=True)


def _plan_again(following: Assignment | None, closed: Assignment) -> None:
    """Plan what the end of an assignment activated, unless the driver has begun it."""
    if following is None or following.driver.planned:
        return
    if following.progress or following.delay_reason:
        return
    events = select(LoadEvent.transaction_id)
    ends = events.filter_by(load_id=closed.load_id, assignment_id=closed.id)
    begins = events.filter_by(load_id=following.load_id, assignment_id=following.id)
    is_same = LoadEvent.transaction_id.in_(ends), LoadEvent.type == EventType.ASSIGNED
    if db.session.scalar(begins.where(*is_same).limit(1)):
        following.status, following.load.status = AssignmentStatus.PLANNED, LoadStatus.OPEN
        db.session.flush()
        set_committed_value(following.driver, "has_load", False)  # by the trigger
        record_assignment(EventType.LOAD_PLANNED, following)


def record_assignment(event_type: EventType, assignment: Assignment, /, **details: Any) -> None:
    """Add an event of an assignment, with its driver and its load, to the transaction."""
    driver, load = assignment.driver, assignment.load
    record_load(event_type, load, driver=driver, assignment_id=assignment.id, **details)


def get_assignment(assignment_id: int, **options: Any) -> Assignment:
    """Return an assignment with its driver, its load and the driver's next. Raises `NotFound`."""
    assignment = get_or_not_found(Assignment, assignment_id, options=WITH_NEXT, **options)
    driver, planned = assignment.driver, assignment.driver.planned
    if planned is not None and not driver.has_load:
        try:
            refuse(driver, planned.load)
        except Conflict as refusal:
            planned.left = refusal.code  # type: ignore[assignment]
    return assignment


def own_assignment(driver_id: int, assignment_id: int | None = None) -> Assignment:
    """Return a driver's assignment, by default the active one, with its driver and its load."""
    is_asked = IS_ACTIVE if assignment_id is None else Assignment.id == assignment_id
    own = select(Assignment).where(Assignment.driver_id == driver_id, is_asked)
    assignment = db.session.scalar(own.options(*WITH_NEXT))
    if assignment is not None:
        return assignment
    if assignment_id is not None:
        raise NotFound("Assignment", assignment_id)
    raise BillorError("no_active_assignment")


def is_shown_to(driver_id: int) -> ColumnElement[bool]:
    """Return the condition of the documents that a driver may see: of own loads, without rates."""
    is_own = (Assignment.driver_id == driver_id) & (Assignment.status != AssignmentStatus.CANCELLED)
    has_no_rates = Document.kind != DocumentKind.RATE_CONFIRMATION
    return Document.load_id.in_(select(Assignment.load_id).where(is_own)) & has_no_rates


def refuse_documents(own: Assignment, _load: Load) -> None:
    """Raise `assignment_not_active`, but not for a day after the completion: phones may be late."""
    db.session.refresh(own)
    is_late = own.closed_at is not None and now() - own.closed_at >= DOCUMENTED_WITHIN
    if own.status not in DRIVEN or is_late:
        raise Conflict("assignment_not_active")


def list_assignments(
    limit: int,
    cursor: Position | None = None,
    driver_id: int | None = None,
    load_id: int | None = None,
    status: Collection[str] = (),
    closed_from: datetime | None = None,
    closed_to: datetime | None = None,
    expand: Collection[str] = (),
) -> Page:
    """Return a page of assignments, newest first, or by their end, the last one first."""
    order = [Assignment.assigned_at, Assignment.id]
    ids = {"driver_id": driver_id, "load_id": load_id}
    query = select(Assignment).filter_by(**{name: id_ for name, id_ in ids.items() if id_})
    if status:
        query = query.where(Assignment.status.in_(status))
    if closed_from is not None or closed_to is not None:
        query = query.where(Assignment.closed_at.is_not(None))  # as in the index
        order = [Assignment.closed_at, Assignment.id]
    if closed_from is not None:
        query = query.where(Assignment.closed_at >= closed_from)
    if closed_to is not None:
        cursor = min(cursor or (closed_to, 0), (closed_to, 0))
    related = [joinedload(getattr(Assignment, name)) for name in expand]
    return paginate(query, order, limit, cursor, related=related)


def _blocked(code: str, *conditions: ColumnElement[bool]) -> Conflict:
    """Return the refusal that names the assignment of these conditions."""
    return Conflict(code, assignmentId=db.session.scalar(select(Assignment.id).where(*conditions)))
