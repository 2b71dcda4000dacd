"""Who could take a load: facts about the drivers, for a dispatcher to choose by."""

from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, FromClause, func, select
from sqlalchemy.orm import joinedload

from billor.assignments.service import IS_ACTIVE, IS_PLANNED, refuse
from billor.database import get_or_not_found
from billor.errors import Conflict
from billor.models import Assignment, AssignmentStatus, Driver, DriverStatus, Load, LoadStatus, db

IS_COMPLETED = Assignment.status == AssignmentStatus.COMPLETED


def list_candidates(load_id: int, limit: int) -> list[dict[str, Any]]:
    """Return the best `limit` of the ACTIVE drivers, by the attributes of `CandidateSchema`."""
    load = get_or_not_found(Load, load_id, options=[joinedload(Load.assignment)])
    active, last, done = _latest(IS_ACTIVE), _latest(IS_COMPLETED), _done_this_week()
    planned = select(Assignment.id).where(Assignment.driver_id == Driver.id, IS_PLANNED)
    free_at = func.coalesce(active.c.expected_at, active.c.deliver_by)
    last_place = func.coalesce(active.c.destination, last.c.destination)
    is_same_place = func.fold_text(last_place) == func.fold_text(load.origin)
    same_place = func.coalesce(is_same_place, False)
    same_state = func.coalesce(_state(last_place) == _state(load.origin), False)
    facts = {
        "is_free": ~Driver.has_load,
        "free_at": free_at,
        "last_place": last_place,
        "last_ended_at": last.c.closed_at,
        "same_place": same_place,
        "same_state": same_state,
        "loads_this_week": func.coalesce(done.c.loads, 0),
        "planned_assignment_id": planned.scalar_subquery(),
        "papers_expire_on": func.least(Driver.license_expires_on, Driver.medical_expires_on),
    }
    order = (Driver.has_load, same_place.desc(), same_state.desc(), free_at.nulls_last())
    query = (
        select(Driver, *(fact.label(name) for name, fact in facts.items()))
        .outerjoin(active, Driver.has_load.is_(True))
        .outerjoin(last, Driver.has_load.is_(False))
        .outerjoin(done, done.c.driver_id == Driver.id)
        .where(Driver.status == DriverStatus.ACTIVE)
        .order_by(*order, func.fold_text(Driver.name), Driver.id)
        .limit(limit)
    )
    rows = db.session.execute(query).mappings()
    return [{**row, "refusal": _refusal(row["Driver"], load)} for row in rows]


def _latest(is_meant: ColumnElement[bool]) -> FromClause:
    """Return a driver's latest assignment of this status; looked up by index for each driver."""
    return (
        select(Assignment.closed_at, Assignment.expected_at, Load.destination, Load.deliver_by)
        .join(Assignment.load)
        .where(Assignment.driver_id == Driver.id, is_meant)
        .order_by(Assignment.assigned_at.desc(), Assignment.id.desc())
        .limit(1)
        .lateral()
    )


def _done_this_week() -> FromClause:
    monday = func.date_trunc("week", func.now(), current_app.config["BILLOR"].zone_of_days)
    return (
        select(Assignment.driver_id, func.count().label("loads"))
        .where(IS_COMPLETED, Assignment.closed_at >= monday)
        .group_by(Assignment.driver_id)
        .subquery()
    )


def _state(place: Any) -> ColumnElement[str]:
    return func.substring(func.fold_text(place), r",\s*([^,]+)$")


def _refusal(driver: Driver, load: Load) -> str | None:
    """Return the code that `assign` would raise; without asking who has the driver or the load."""
    if driver.has_load:
        return "driver_already_assigned"
    if load.status == LoadStatus.ASSIGNED:
        return "load_already_assigned"
    try:
        refuse(driver, load)
    except Conflict as refusal:
        return refusal.code
    is_for_another = load.assignment is not None and load.assignment.driver_id != driver.id
    return "load_already_planned" if is_for_another else None
