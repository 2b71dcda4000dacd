"""Wire schemas of assignments."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from billor.api import fields as wire
from billor.api.pagination import Cursor, PageQuery
from billor.drivers.schemas import DriverSchema
from billor.loads.schemas import ActorSchema, FileQuery, ListedLoadSchema, LoadSchema
from billor.models import AssignmentStatus, CheckInKind

SETTABLE = [status.value for status in AssignmentStatus if status != AssignmentStatus.PLANNED]
CODES = (
    "driver_not_found",
    "load_not_found",
    "driver_already_assigned",
    "load_already_assigned",
    "load_not_open",
    "driver_inactive",
    "driver_papers_expired",
    "driver_already_planned",
    "load_already_planned",
)
"""Why a load is not assigned, in order of precedence."""
OF_DRIVER = [code for code in CODES if code.startswith("driver_")]
MAX_PAIRS = 500


class AssignmentSchema(wire.WireSchema):
    id = wire.Id(dump_only=True, required=True)
    driver_id = wire.Id(required=True)
    load_id = wire.Id(required=True)
    status = fields.Enum(
        AssignmentStatus, dump_only=True, required=True, metadata={"example": "ASSIGNED"}
    )
    assigned_at = wire.Timestamp(dump_only=True, required=True)
    closed_at = wire.Timestamp(**wire.OR_NULL)
    progress = fields.Enum(CheckInKind, **wire.about("Never DELAYED."), **wire.OR_NULL)
    progress_at = wire.Timestamp(**wire.OR_NULL)
    expected_at = wire.Timestamp(**wire.OR_NULL)
    delay_reason = fields.String(**wire.OR_NULL)


class AssignmentWithDriverSchema(AssignmentSchema):
    driver = fields.Nested(DriverSchema, required=True)


class AssignmentWithLoadSchema(AssignmentSchema):
    load = fields.Nested(LoadSchema, required=True)  # type: ignore[assignment]


class AssignmentWithListedLoadSchema(AssignmentSchema):
    load = fields.Nested(ListedLoadSchema, required=True)  # type: ignore[assignment]


class NextAssignmentSchema(AssignmentWithLoadSchema):
    left = fields.String(
        **wire.about("The code why it is PLANNED although the driver is free."), **wire.OR_NULL
    )


class WithNextSchema(wire.WireSchema):
    next = fields.Nested(
        NextAssignmentSchema,
        **wire.about("The driver's; after the end of this one it may be ASSIGNED."),
        **wire.OR_NULL,
    )


class AssignmentDetailSchema(AssignmentWithDriverSchema, AssignmentWithLoadSchema, WithNextSchema):
    """An assignment with its driver, its load, and the driver's next one."""


class ListedAssignmentSchema(AssignmentSchema):
    driver = wire.Expanded(DriverSchema, "With `expand=driver`.")
    load = wire.Expanded(ListedLoadSchema, "With `expand=load`.")  # type: ignore[assignment]


class StatusSchema(wire.WireSchema):
    status = fields.String(required=True, validate=validate.OneOf(SETTABLE))


class PlanSchema(wire.WireSchema):
    plan = wire.Flag(**wire.about("Make it the next load of a driver who has one.", example=False))


class ReassignmentSchema(PlanSchema):
    driver_id = wire.Id(required=True)


class ReopeningSchema(wire.WireSchema):
    reason = wire.Text(max_length=500, required=True, metadata={"example": "Closed by mistake"})


class CheckInSchema(wire.WireSchema):
    id = wire.Id(dump_only=True, required=True)
    assignment_id = wire.Id(dump_only=True, required=True)
    kind = fields.Enum(CheckInKind, required=True, metadata={"example": "DELAYED"})
    happened_at = wire.Timestamp(**wire.about("Now by default."))
    received_at = wire.Timestamp(dump_only=True, required=True)
    reason = wire.Text(max_length=500, allow_none=True, metadata={"example": "Snow on I-40"})
    expected_at = wire.Timestamp(allow_none=True, metadata={"example": wire.Timestamp.EXAMPLE})
    user = fields.Nested(ActorSchema, dump_only=True, required=True)

    @validates_schema
    def _check_delay(self, data: Mapping[str, Any], **_) -> None:
        is_delay = data["kind"] == CheckInKind.DELAYED
        wrong = [name for name in ("reason", "expected_at") if bool(data.get(name)) != is_delay]
        if wrong:
            message = "DELAYED needs it, and no other kind has it."
            raise ValidationError({wire.wire_name(name): [message] for name in wrong})


class PairSchema(wire.WireSchema):
    driver_id = wire.Id(required=True)
    load_id = wire.Id(required=True)


class NewAssignmentSchema(PairSchema, PlanSchema):
    """Which driver shall move which load, at once or next."""


class BulkSchema(wire.WireSchema):
    assignments = wire.Items(
        fields.Nested(PairSchema),
        most=MAX_PAIRS,
        required=True,
        metadata={"example": [{"driverId": 1, "loadId": 1}]},
    )


class RefusalSchema(wire.WireSchema):
    code = fields.String(
        required=True, validate=validate.OneOf(CODES), metadata={"example": "driver_inactive"}
    )
    detail = fields.String(required=True, **wire.about("What to do about it."))
    assignment_id = wire.Id(attribute="extra.assignmentId", **wire.about("What blocks it."))
    paper = fields.String(attribute="extra.paper", **wire.about("What has expired."))
    expired_on = fields.String(attribute="extra.expiredOn", **wire.about("Its last day."))


class BulkRowSchema(PairSchema):
    row = fields.Integer(required=True, **wire.about("From 1.", example=1))
    assignment_id = wire.Id(attribute="assignment.id", **wire.about("Absent if refused."))
    error = fields.Nested(RefusalSchema, **wire.about("Absent if it was assigned."))


class BulkReportSchema(wire.WireSchema):
    assigned = fields.Integer(required=True, metadata={"example": 1})
    refused = fields.Integer(required=True, metadata={"example": 1})
    rows = fields.List(fields.Nested(BulkRowSchema), required=True)


class TimeOrderQuery(PageQuery):
    """The query parameters of a list that is sorted by a time."""

    cursor = Cursor(wire.Timestamp(), wire.Id())


class AssignmentFilter(wire.WireSchema):
    driver_id = wire.QueryInteger()
    load_id = wire.QueryInteger()
    status = wire.Several(fields.Enum(AssignmentStatus))
    closed_from = wire.Timestamp(**wire.about("Closed at this time or later."))
    closed_to = wire.Timestamp(**wire.about("Closed before this time."))

    @validates_schema
    def _check_range(self, data, **_):
        wire.check_range(self, data, "closed_from", "closed_to")


class AssignmentQuery(AssignmentFilter, TimeOrderQuery):
    expand = wire.Expand("driver", "load")


class AssignmentExportQuery(AssignmentFilter, FileQuery):
    """Which assignments to export, and how."""


class CandidateSchema(wire.WireSchema):
    driver = fields.Nested(DriverSchema, attribute="Driver", required=True)
    is_free = fields.Boolean(required=True)
    free_at = wire.Timestamp(required=True, allow_none=True)
    last_place = fields.String(required=True, allow_none=True)
    last_ended_at = wire.Timestamp(required=True, allow_none=True)
    same_place = fields.Boolean(required=True)
    same_state = fields.Boolean(required=True)
    loads_this_week = fields.Integer(required=True)
    planned_assignment_id = wire.Id(required=True, allow_none=True)
    papers_expire_on = fields.Date(required=True, allow_none=True)
    refusal = fields.String(required=True, allow_none=True)
