"""Check-ins: how far a driver is, and what delays the load, in the order in which it happened.

A phone without a network sends them later: in any order, and maybe after the completion.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from billor.assignments.schemas import AssignmentSchema, CheckInSchema
from billor.assignments.service import lock_with_driver_and_load, moment, now, record_assignment
from billor.database import Check, get_or_not_found, transaction, unchecked
from billor.database.keyset import Page, Position, paginate
from billor.errors import BillorError, Conflict, Invalid
from billor.events.event import EventType
from billor.models import Assignment, CheckIn, CheckInKind, User, db
from billor.observe.context import signed_in_user

UNDONE_WITHIN = timedelta(minutes=5)
IN_ORDER = (CheckIn.happened_at, CheckIn.id)
IS_DELAY = CheckIn.kind == CheckInKind.DELAYED

_schema, _assignment_schema = CheckInSchema(), AssignmentSchema()


def add_check_in(
    assignment_id: int, check: Check = unchecked, happened_at: datetime | None = None, **fields: Any
) -> CheckIn:
    """Add what the driver did, by default just now, or a delay."""
    with transaction():
        assignment = lock_with_driver_and_load(assignment_id, check)
        happened_at = moment(happened_at, assignment)
        if (fields.get("expected_at") or happened_at) < happened_at:
            raise Invalid({"expectedAt": ["Must not be before `happenedAt`."]})
        user = db.session.get_one(User, signed_in_user().id)
        fields |= {"assignment_id": assignment_id, "happened_at": happened_at, "user": user}
        check_in = CheckIn(**fields)
        db.session.add(check_in)
        db.session.flush()
        _update(assignment, EventType.CHECKED_IN, check_in)
    return check_in


def undo_check_in(check_in_id: int, check: Check = unchecked, **owner: int) -> None:
    """Remove a check-in; `owner` is the `id` or the `driver_id` of its assignment."""
    with transaction():
        assignment = lock_with_driver_and_load(_find(check_in_id, owner).assignment_id, check)
        check_in = _find(check_in_id, owner)
        is_late = abs(now() - check_in.received_at) > UNDONE_WITHIN
        if is_late or check_in.user_id != signed_in_user().id:
            raise Conflict("too_late_to_undo")
        db.session.delete(check_in)
        _update(assignment, EventType.CHECK_IN_UNDONE, check_in)


def _find(check_in_id: int, owner: dict[str, int]) -> CheckIn:
    is_theirs = CheckIn.assignment_id.in_(select(Assignment.id).filter_by(**owner))
    query = select(CheckIn).where(CheckIn.id == check_in_id, is_theirs)
    found = db.session.scalar(query.options(joinedload(CheckIn.user)))
    if found is None:
        raise BillorError("check_in_not_found")
    return found


def _update(assignment: Assignment, event_type: EventType, check_in: CheckIn) -> None:
    """Set what the assignment says of its check-ins, and add the event."""
    step, delay = _last(assignment, ~IS_DELAY), _last(assignment, IS_DELAY)
    assignment.progress = getattr(step, "kind", None)
    assignment.progress_at = getattr(step, "happened_at", None)
    assignment.expected_at = getattr(delay, "expected_at", None)
    assignment.delay_reason = getattr(delay, "reason", None)
    details = {"assignment": _assignment_schema.dump(assignment), "checkIn": _schema.dump(check_in)}
    record_assignment(event_type, assignment, **details)


def _last(assignment: Assignment, condition: ColumnElement[bool]) -> CheckIn | None:
    query = select(CheckIn).where(CheckIn.assignment_id == assignment.id, condition)
    return db.session.scalar(query.order_by(*(column.desc() for column in IN_ORDER)).limit(1))


def list_check_ins(assignment_id: int, limit: int, cursor: Position | None = None) -> Page:
    """Return a page of an assignment's check-ins, as they happened. Raises `NotFound`."""
    get_or_not_found(Assignment, assignment_id)
    query = select(CheckIn).where(CheckIn.assignment_id == assignment_id)
    users = [joinedload(CheckIn.user)]
    return paginate(query, IN_ORDER, limit, cursor, newest_first=False, related=users)
