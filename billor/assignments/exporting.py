"""Export of assignments as CSV: what was driven when and by whom, so that drivers can be paid."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from marshmallow import fields
from sqlalchemy import func, select

from billor.api.fields import Timestamp, WireSchema
from billor.assignments.schemas import ExportedAssignmentSchema
from billor.assignments.service import list_assignments
from billor.database.keyset import Position
from billor.events.event import EventType
from billor.loads.exporting import Rows, columns_of, export
from billor.models import CheckIn, CheckInKind, LoadEvent, db

# Of several check-ins of a kind the last one counts; of the others the first one.
LAST_COUNTS = (CheckInKind.LOADED, CheckInKind.DELAYED)
BEGINNINGS = (EventType.LOAD_PLANNED, EventType.ASSIGNED)
ENDS = (EventType.LOAD_COMPLETED, EventType.ASSIGNMENT_CANCELLED)

Steps = defaultdict[int, dict[str, Any]]

_schema = ExportedAssignmentSchema(many=True)
_steps_schema = WireSchema.from_dict(
    {f"{kind.lower()}_at": Timestamp() for kind in CheckInKind}
    | {"assigned_by": fields.String(), "closed_by": fields.String()}
)()
COLUMNS = columns_of(_schema, _steps_schema)


def export_assignments(
    *, bom: bool = False, spreadsheet: bool = False, **filters: Any
) -> Iterator[str]:
    """Export the assignments that `list_assignments` finds, in its order."""
    read = partial(_read_assignments, **filters)
    return export(COLUMNS, read, bom=bom, spreadsheet=spreadsheet)


def _read_assignments(limit: int, cursor: Position | None, **filters: Any) -> Rows:
    page = list_assignments(limit, cursor, expand=["driver", "load"], **filters)
    steps: Steps = defaultdict(dict)
    _add_check_ins(steps, [assignment.id for assignment in page.items])
    _add_users(steps, [assignment.load_id for assignment in page.items])
    rows = [shown | _steps_schema.dump(steps[shown["id"]]) for shown in _schema.dump(page.items)]
    return rows, page.next_position


def _add_check_ins(steps: Steps, assignment_ids: Collection[int]) -> None:
    of_kind = (CheckIn.assignment_id, CheckIn.kind)
    times = select(*of_kind, func.min(CheckIn.happened_at), func.max(CheckIn.happened_at))
    found = times.where(CheckIn.assignment_id.in_(assignment_ids)).group_by(*of_kind)
    for assignment_id, kind, first, last in db.session.execute(found):
        steps[assignment_id][f"{kind.lower()}_at"] = last if kind in LAST_COUNTS else first


def _add_users(steps: Steps, load_ids: Collection[int]) -> None:
    """Add who assigned and who closed; by the loads, which events have an index of."""
    user = LoadEvent.payload["user"]["name"].astext
    events = select(LoadEvent.assignment_id, LoadEvent.type, user).order_by(LoadEvent.created_at)
    types = [*BEGINNINGS, *ENDS, EventType.ASSIGNMENT_REOPENED]
    found = events.where(LoadEvent.load_id.in_(load_ids), LoadEvent.type.in_(types))
    for assignment_id, type_, name in db.session.execute(found):
        if type_ in BEGINNINGS:
            steps[assignment_id].setdefault("assigned_by", name)
        else:
            steps[assignment_id]["closed_by"] = name if type_ in ENDS else None
