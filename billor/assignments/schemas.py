"""Wire schemas of assignments."""

from marshmallow import fields, validate

from billor.api.fields import (
    Expand,
    Expanded,
    Id,
    Items,
    QueryInteger,
    Several,
    Text,
    Timestamp,
    WireSchema,
)
from billor.api.pagination import Cursor, PageQuery
from billor.drivers.schemas import DriverSchema
from billor.loads.schemas import LoadSchema
from billor.models import AssignmentStatus

CLOSED = [AssignmentStatus.COMPLETED.value, AssignmentStatus.CANCELLED.value]
CODES = (
    "driver_not_found",
    "load_not_found",
    "driver_already_assigned",
    "load_already_assigned",
    "load_not_open",
    "driver_inactive",
)
"""Why a load is not assigned, in order of precedence."""
MAX_PAIRS = 500


class AssignmentSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    driver_id = Id(required=True)
    load_id = Id(required=True)
    status = fields.Enum(
        AssignmentStatus, dump_only=True, required=True, metadata={"example": "ASSIGNED"}
    )
    assigned_at = Timestamp(dump_only=True, required=True)
    closed_at = Timestamp(dump_only=True, required=True, allow_none=True)


class AssignmentWithDriverSchema(AssignmentSchema):
    driver = fields.Nested(DriverSchema, dump_only=True, required=True)


class AssignmentWithLoadSchema(AssignmentSchema):
    load = fields.Nested(LoadSchema, dump_only=True, required=True)  # type: ignore[assignment]


class AssignmentDetailSchema(AssignmentWithDriverSchema, AssignmentWithLoadSchema):
    """An assignment with its driver and its load."""


class ListedAssignmentSchema(AssignmentSchema):
    driver = Expanded(
        DriverSchema, dump_only=True, metadata={"description": "With `expand=driver`."}
    )
    load = Expanded(  # type: ignore[assignment]
        LoadSchema, dump_only=True, metadata={"description": "With `expand=load`."}
    )


class ClosingSchema(WireSchema):
    status = fields.String(required=True, validate=validate.OneOf(CLOSED))


class ReassignmentSchema(WireSchema):
    driver_id = Id(required=True)


class ReopeningSchema(WireSchema):
    reason = Text(max_length=500, required=True, metadata={"example": "Closed by mistake"})


class PairSchema(WireSchema):
    driver_id = Id(required=True)
    load_id = Id(required=True)


class BulkSchema(WireSchema):
    assignments = Items(
        fields.Nested(PairSchema),
        most=MAX_PAIRS,
        required=True,
        metadata={"example": [{"driverId": 1, "loadId": 1}]},
    )


class RefusalSchema(WireSchema):
    code = fields.String(
        required=True,
        validate=validate.OneOf(CODES),
        metadata={"example": "driver_already_assigned"},
    )
    detail = fields.String(required=True, metadata={"description": "What to do about it."})
    assignment_id = Id(
        attribute="extra.assignmentId",
        metadata={"description": "The active assignment that blocks it, if any."},
    )


class BulkRowSchema(PairSchema):
    row = fields.Integer(required=True, metadata={"description": "From 1.", "example": 1})
    assignment_id = Id(metadata={"description": "The new assignment; absent if it was refused."})
    error = fields.Nested(
        RefusalSchema, metadata={"description": "Why it was refused; absent otherwise."}
    )


class BulkReportSchema(WireSchema):
    assigned = fields.Integer(required=True, metadata={"example": 1})
    refused = fields.Integer(required=True, metadata={"example": 1})
    rows = fields.List(fields.Nested(BulkRowSchema), required=True)


class AssignmentQuery(PageQuery):
    cursor = Cursor(Timestamp(), Id())
    driver_id = QueryInteger()
    load_id = QueryInteger()
    status = Several(fields.Enum(AssignmentStatus))
    expand = Expand("driver", "load")
