"""Assignments as they are read: one, a driver's active one, and lists."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import contains_eager

from billor.errors import NotFound, NothingAssigned
from billor.extensions import db
from billor.keyset import Page, Position, one_for_each_status, paginate
from billor.models import Assignment, AssignmentStatus

IS_ACTIVE = Assignment.status == AssignmentStatus.ASSIGNED


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
    assignment = _find_whole(Assignment.driver_id == driver_id, IS_ACTIVE)
    if assignment is None:
        raise NothingAssigned("no_active_assignment")
    return assignment


def active_assignment_id(condition: ColumnElement[bool]) -> int | None:
    """Return the id of the active assignment that meets the condition, of a driver or a load."""
    return db.session.scalar(select(Assignment.id).where(condition, IS_ACTIVE))


def list_assignments(
    limit: int,
    cursor: Position | None = None,
    driver_id: int | None = None,
    load_id: int | None = None,
    status: Collection[str] = (),
    expand: Collection[str] = (),
) -> Page:
    """Return a page of assignments, newest first; `expand` may be `driver` and `load`."""
    queries = one_for_each_status(
        select(Assignment),
        status or AssignmentStatus,
        Assignment.status,
        {Assignment.driver_id: driver_id, Assignment.load_id: load_id},
        lambda id_: cast(id_, Text),
    )
    related = [[getattr(Assignment, name)] for name in expand]
    order = [Assignment.assigned_at, Assignment.id]
    return paginate(queries, order, cursor, limit, related=related)


def _find_whole(*conditions: ColumnElement[bool]) -> Assignment | None:
    return db.session.scalar(
        select(Assignment)
        .join(Assignment.driver)
        .join(Assignment.load)
        .where(*conditions)
        .options(contains_eager(Assignment.driver), contains_eager(Assignment.load))
    )
