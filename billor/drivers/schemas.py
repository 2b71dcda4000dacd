"""Wire schemas of drivers."""

from marshmallow import fields

from billor.api import fields as wire
from billor.api.pagination import PageQuery
from billor.models import Channel, DriverStatus, Language

PAPER = wire.about(
    "Its last valid day, in TIME_ZONE. A driver with an expired one gets no loads.",
    example="2035-01-31",
)


class DriverSchema(wire.WireSchema):
    id = wire.Id(dump_only=True, required=True)
    name = wire.Text(max_length=200, required=True, metadata={"example": "Alex Carter"})
    license_number = wire.Identifier(
        max_length=64, required=True, **wire.about(wire.SAME_NUMBER, example="TX-1234567")
    )
    status = fields.Enum(
        DriverStatus, **wire.about("Only ACTIVE drivers get loads. ACTIVE by default.")
    )
    phone = wire.Phone()
    phone_shown = wire.ShownPhone("phone")
    email = wire.EmailAddress(allow_none=True, example="alex@example.com")
    notify_by = fields.Enum(
        Channel,
        allow_none=True,
        **wire.about("By phone if null, or else by mail, as far as it reaches them."),
    )
    language = fields.Enum(
        Language, by_value=fields.String, **wire.about("Of notifications. en by default.")
    )
    notes = wire.Lines(max_length=2000, allow_none=True, **wire.about("Drivers do not see them."))
    license_expires_on = wire.Day(allow_none=True, **PAPER)
    medical_expires_on = wire.Day(allow_none=True, **PAPER)
    created_at = wire.Timestamp(dump_only=True, required=True)


class NotificationsSchema(DriverSchema):
    class Meta(DriverSchema.Meta):
        fields = ("notify_by", "language")


class DriverInEventSchema(DriverSchema):
    """A driver in events of loads: what others may know."""

    class Meta(DriverSchema.Meta):
        fields = ("id", "name", "license_number", "status", "phone", "phone_shown", "created_at")


class ListedDriverSchema(DriverSchema):
    # By name: assignments are a layer above.
    assignment = wire.Expanded(
        "AssignmentWithListedLoadSchema",
        "With `expand=assignment`: the active one, or null.",
        allow_none=True,
    )
    planned = wire.Expanded(
        "AssignmentWithListedLoadSchema",
        "With `expand=assignment`: the next one, or null.",
        allow_none=True,
    )


class DriverUpdateSchema(wire.PartialSchema, DriverSchema):
    pass


class DriverQuery(PageQuery):
    q = wire.Words()
    license_number = wire.Text(max_length=64, **wire.about(wire.SAME_NUMBER))
    status = wire.Several(fields.Enum(DriverStatus))
    available = wire.QueryFlag("true: ACTIVE, and without an active load; false: all others.")
    expand = wire.Expand("assignment")
