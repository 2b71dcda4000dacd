"""Wire schemas of drivers."""

from marshmallow import fields

from billor.api.fields import (
    SAME_NUMBER,
    Day,
    EmailAddress,
    Expand,
    Expanded,
    Id,
    Identifier,
    Lines,
    PartialSchema,
    Phone,
    QueryFlag,
    Several,
    ShownPhone,
    Text,
    Timestamp,
    WireSchema,
    Words,
)
from billor.api.pagination import PageQuery
from billor.models import Channel, DriverStatus, Language

PAPER = {
    "description": "Its last valid day, in TIME_ZONE. A driver with an expired one gets no loads.",
    "example": "2035-01-31",
}


class DriverSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    name = Text(max_length=200, required=True, metadata={"example": "Alex Carter"})
    license_number = Identifier(max_length=64, required=True, metadata={"example": "TX-1234567"})
    status = fields.Enum(
        DriverStatus, metadata={"description": "Only ACTIVE drivers get loads. ACTIVE by default."}
    )
    phone = Phone()
    phone_shown = ShownPhone("phone")
    email = EmailAddress(allow_none=True, example="alex@example.com")
    notify_by = fields.Enum(
        Channel,
        allow_none=True,
        metadata={"description": "By phone if null, or else by mail, as far as it reaches them."},
    )
    language = fields.Enum(
        Language,
        by_value=fields.String,
        metadata={"description": "Of notifications. en by default."},
    )
    notes = Lines(
        max_length=2000, allow_none=True, metadata={"description": "Drivers do not see them."}
    )
    license_expires_on = Day(allow_none=True, metadata=PAPER)
    medical_expires_on = Day(allow_none=True, metadata=PAPER)
    created_at = Timestamp(dump_only=True, required=True)


class NotificationsSchema(DriverSchema):
    class Meta(DriverSchema.Meta):
        fields = ("notify_by", "language")


class DriverInEventSchema(DriverSchema):
    """A driver in events of loads: what others may know."""

    class Meta(DriverSchema.Meta):
        fields = ("id", "name", "license_number", "status", "phone", "phone_shown", "created_at")


class ListedDriverSchema(DriverSchema):
    # By name: assignments are a layer above.
    assignment = Expanded(
        "AssignmentWithListedLoadSchema",
        "With `expand=assignment`: the active one, or null.",
        allow_none=True,
    )
    planned = Expanded(
        "AssignmentWithListedLoadSchema",
        "With `expand=assignment`: the next one, or null.",
        allow_none=True,
    )


class DriverUpdateSchema(PartialSchema, DriverSchema):
    pass


class DriverQuery(PageQuery):
    q = Words()
    license_number = Text(max_length=64, metadata={"description": SAME_NUMBER})
    status = Several(fields.Enum(DriverStatus))
    available = QueryFlag("true: ACTIVE, and without an active load; false: all others.")
    expand = Expand("assignment")
