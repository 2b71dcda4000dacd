"""Export of assignments as CSV: what was driven when and by whom, so that drivers can be paid."""

from collections import defaultdict
from collections.abc import Collection
from functools import partial
from typing import Any

from sqlalchemy import func, select

from billor.api.fields import wire_name, wire_time
from billor.assignments.schemas import AssignmentSchema
from billor.assignments.service import list_assignments
from billor.database.keyset import Position
from billor.events.event import EventType
from billor.loads.exporting import Rows, columns_of, export
from billor.loads.schemas import ListedLoadSchema
from billor.models import Assignment, AssignmentStatus, CheckIn, CheckInKind, LoadEvent, db

# Of several such check-ins the last one counts, of others the first one.
LAST_COUNTS = (CheckInKind.LOADED, CheckInKind.DELAYED)
BEGINNINGS = (EventType.LOAD_PLANNED, EventType.ASSIGNED)
ENDS = (EventType.LOAD_COMPLETED, EventType.ASSIGNMENT_CANCELLED)

_schema = AssignmentSchema()
_load_schema = ListedLoadSchema(
    exclude=("id", "status", "has_pod", "created_at", "updated_at", "assignment")
)
_times = {kind: wire_name(f"{kind.lower()}_at") for kind in CheckInKind}
COLUMNS = [
    *columns_of(_schema),
    *("driverName", "driverLicenseNumber"),
    *columns_of(_load_schema),
    *("onTime", *_times.values(), "assignedBy", "closedBy"),
]

Steps = defaultdict[int, dict[str, Any]]
"""The cells of an assignment's check-ins and events, by its id."""


def _read_assignments(limit: int, cursor: Position | None, **filters: Any) -> Rows:
    page = list_assignments(limit, cursor, expand=["driver", "load"], **filters)
    steps: Steps = defaultdict(dict)
    _add_check_ins(steps, [assignment.id for assignment in page.items])
    _add_users(steps, [assignment.load_id for assignment in page.items])
    return [_row(each) | steps[each.id] for each in page.items], page.next_position


def _row(assignment: Assignment) -> dict[str, Any]:
    driver, load = assignment.driver, assignment.load
    who = {"driverName": driver.name, "driverLicenseNumber": driver.license_number}
    cells = _schema.dump(assignment) | who | _load_schema.dump(load)
    is_completed = assignment.status == AssignmentStatus.COMPLETED
    if is_completed and assignment.closed_at and load.deliver_by:
        cells["onTime"] = "true" if assignment.closed_at <= load.deliver_by else "false"
    return cells


def _add_check_ins(steps: Steps, assignment_ids: Collection[int]) -> None:
    of_kind = (CheckIn.assignment_id, CheckIn.kind)
    times = select(*of_kind, func.min(CheckIn.happened_at), func.max(CheckIn.happened_at))
    found = times.where(CheckIn.assignment_id.in_(assignment_ids)).group_by(*of_kind)
    for assignment_id, kind, first, last in db.session.execute(found):
        steps[assignment_id][_times[kind]] = wire_time(last if kind in LAST_COUNTS else first)


def _add_users(steps: Steps, load_ids: Collection[int]) -> None:
    """Add who assigned and who closed; by the loads, which events have an index of."""
    user = LoadEvent.payload["user"]["name"].astext
    events = select(LoadEvent.assignment_id, LoadEvent.type, user).order_by(LoadEvent.created_at)
    types = [*BEGINNINGS, *ENDS, EventType.ASSIGNMENT_REOPENED]
    found = events.where(LoadEvent.load_id.in_(load_ids), LoadEvent.type.in_(types))
    for assignment_id, type_, name in db.session.execute(found):
        if type_ in BEGINNINGS:
            steps[assignment_id].setdefault("assignedBy", name)
        else:
            steps[assignment_id]["closedBy"] = name if type_ in ENDS else None


export_assignments = partial(export, COLUMNS, _read_assignments)
"""Exports the assignments that `list_assignments` finds, in its order."""
