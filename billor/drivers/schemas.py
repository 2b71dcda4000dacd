"""Wire schemas of drivers."""

from marshmallow import fields

from billor.api.fields import (
    SAME_NUMBER,
    Expand,
    Expanded,
    Id,
    Identifier,
    PartialSchema,
    QueryFlag,
    Several,
    Text,
    Timestamp,
    WireSchema,
    Words,
)
from billor.api.pagination import PageQuery
from billor.models import DriverStatus


class DriverSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    name = Text(max_length=200, required=True, metadata={"example": "Alex Carter"})
    license_number = Identifier(max_length=64, required=True, metadata={"example": "TX-1234567"})
    status = fields.Enum(
        DriverStatus,
        metadata={"description": "Only ACTIVE drivers get loads. ACTIVE by default."},
    )
    created_at = Timestamp(dump_only=True, required=True)


class ListedDriverSchema(DriverSchema):
    # By name: assignments are a layer above.
    assignment = Expanded(
        "AssignmentWithLoadSchema",
        dump_only=True,
        allow_none=True,
        metadata={"description": "With `expand=assignment`: the active one, or null."},
    )
    planned = Expanded(
        "AssignmentWithLoadSchema",
        dump_only=True,
        allow_none=True,
        metadata={"description": "With `expand=assignment`: the next one, or null."},
    )


class DriverUpdateSchema(PartialSchema, DriverSchema):
    pass


class DriverQuery(PageQuery):
    q = Words()
    license_number = Text(max_length=64, metadata={"description": SAME_NUMBER})
    status = Several(fields.Enum(DriverStatus))
    available = QueryFlag("true: ACTIVE, and without an active load; false: all others.")
    expand = Expand("assignment")
