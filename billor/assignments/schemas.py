"""Wire schemas of assignments."""

from marshmallow import fields, validate

from billor.drivers.schemas import DriverSchema
from billor.http.fields import Id, QueryInteger, Several, Timestamp, WireSchema
from billor.http.pagination import Cursor, PageQuery
from billor.loads.schemas import LoadSchema
from billor.models import AssignmentStatus

CLOSED = [AssignmentStatus.COMPLETED.value, AssignmentStatus.CANCELLED.value]


class AssignmentSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    driver_id = Id(required=True, metadata={"example": 1})
    load_id = Id(required=True, metadata={"example": 1})
    status = fields.Enum(
        AssignmentStatus, dump_only=True, required=True, metadata={"example": "ASSIGNED"}
    )
    assigned_at = Timestamp(dump_only=True, required=True)
    closed_at = Timestamp(dump_only=True, required=True, allow_none=True)


class AssignmentDetailSchema(AssignmentSchema):
    driver = fields.Nested(DriverSchema, dump_only=True, required=True)
    load = fields.Nested(LoadSchema, dump_only=True, required=True)  # type: ignore[assignment]


class AssignmentStatusSchema(WireSchema):
    status = fields.String(required=True, validate=validate.OneOf(CLOSED))


class AssignmentQuery(PageQuery):
    cursor = Cursor(Timestamp(), Id())
    driver_id = QueryInteger()
    load_id = QueryInteger()
    status = Several(fields.Enum(AssignmentStatus))
