"""Wire schemas of loads and of their timeline."""

from marshmallow import fields, validate

from billor.events.event import AUDIT_TYPES
from billor.models import LoadStatus
from billor.pagination import PageQuery
from billor.schemas import Text, Timestamp, WireSchema, one_of

PLACE_LENGTH = 200
CARGO_TYPE_LENGTH = 100


class LoadSchema(WireSchema):
    id = fields.Integer(dump_only=True)
    origin = Text(max_length=PLACE_LENGTH, required=True, metadata={"example": "Dallas, TX"})
    destination = Text(max_length=PLACE_LENGTH, required=True, metadata={"example": "Atlanta, GA"})
    cargo_type = Text(
        max_length=CARGO_TYPE_LENGTH, required=True, metadata={"example": "Refrigerated"}
    )
    status = fields.String(
        dump_only=True, validate=one_of(LoadStatus), metadata={"example": "OPEN"}
    )
    created_at = Timestamp(dump_only=True)
    updated_at = Timestamp(dump_only=True)


class LoadUpdateSchema(WireSchema):
    origin = Text(max_length=PLACE_LENGTH)
    destination = Text(max_length=PLACE_LENGTH)
    cargo_type = Text(max_length=CARGO_TYPE_LENGTH)
    status = fields.String(
        validate=validate.OneOf(
            [LoadStatus.OPEN.value, LoadStatus.CANCELLED.value],
            error="Must be one of: {choices}. The other statuses follow the assignment.",
        )
    )


class LoadQuery(PageQuery):
    status = fields.String(validate=one_of(LoadStatus))
    origin = Text(max_length=PLACE_LENGTH, metadata={"description": "Upper or lower case alike."})
    destination = Text(max_length=PLACE_LENGTH)
    cargo_type = Text(max_length=CARGO_TYPE_LENGTH)


class TimelineEntrySchema(WireSchema):
    id = fields.UUID()
    type = fields.Function(
        lambda event: AUDIT_TYPES[event.type],
        metadata={"type": "string", "enum": list(AUDIT_TYPES.values())},
    )
    load_id = fields.Integer()
    driver_id = fields.Integer(allow_none=True)
    assignment_id = fields.Integer(allow_none=True)
    payload = fields.Dict()
    timestamp = Timestamp(attribute="created_at")
    request_id = fields.String(allow_none=True)
