"""Wire schemas of loads and of their timeline."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from billor.api import fields as wire
from billor.api.pagination import Cursor, PageQuery
from billor.config import check_time_zone
from billor.database.text import RefusedText, clean
from billor.events.event import LOAD_TYPES, PAYLOAD
from billor.models import DocumentKind, LoadStatus

REFERENCE = f"The shipper's order number, among loads that are not CANCELLED. {wire.SAME_NUMBER}"
EQUIPMENT = (
    "Dry van, Reefer, Flatbed, Step deck, Tanker, Container, Box truck, Power only or other."
)
MAX_WEIGHT_KG = 100_000
KG_PER_POUND = 0.45359237
# Lists leave these out.
DETAILS = ("notes", "pickup_contact", "pickup_phone", "delivery_contact", "delivery_phone")
SHOWN_PHONES = ("pickup_phone_shown", "delivery_phone_shown")
TIMES = ("pickup_at", "pickup_to", "deliver_from", "deliver_by")
# Each time of a load with one that it must not be before.
ORDER_OF_TIMES = (
    ("pickup_to", "pickup_at"),
    ("deliver_from", "pickup_at"),
    ("deliver_by", "pickup_at"),
    ("deliver_by", "deliver_from"),
)


def wrong_times(load: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return which of the times of a load are too early: field → messages."""
    errors: dict[str, list[str]] = {}
    for later, earlier in ORDER_OF_TIMES:
        time, start = load.get(later), load.get(earlier)
        if time is not None and start is not None and time < start:
            message = f"Must not be before `{wire.wire_name(earlier)}`."
            errors.setdefault(wire.wire_name(later), []).append(message)
    return errors


class LoadSchema(wire.WireSchema):
    id = wire.Id(dump_only=True, required=True)
    origin = wire.Text(max_length=200, required=True, metadata={"example": "Dallas, TX"})
    destination = wire.Text(max_length=200, required=True, metadata={"example": "Atlanta, GA"})
    cargo_type = wire.Text(max_length=100, required=True, metadata={"example": "Refrigerated"})
    reference = wire.Identifier(
        max_length=64, allow_none=True, **wire.about(REFERENCE, example="PO-1001")
    )
    pickup_at = wire.Timestamp(allow_none=True, **wire.about("Not before this time."))
    pickup_to = wire.Timestamp(allow_none=True, **wire.about("Not after this time."))
    deliver_from = wire.Timestamp(allow_none=True, **wire.about("Not before this time."))
    deliver_by = wire.Timestamp(allow_none=True, **wire.about("The deadline for delivery."))
    weight_kg = fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_WEIGHT_KG),
        allow_none=True,
        metadata={"example": 19000},
    )
    equipment = wire.Text(max_length=50, allow_none=True, **wire.about(EQUIPMENT, example="Reefer"))
    pickup_contact = wire.Text(max_length=200, allow_none=True)
    pickup_phone = wire.Phone()
    pickup_phone_shown = wire.ShownPhone("pickup_phone")
    delivery_contact = wire.Text(max_length=200, allow_none=True)
    delivery_phone = wire.Phone()
    delivery_phone_shown = wire.ShownPhone("delivery_phone")
    notes = wire.Lines(max_length=2000, allow_none=True, **wire.about("What the driver must know."))
    status = fields.Enum(LoadStatus, dump_only=True, required=True, metadata={"example": "OPEN"})
    has_pod = fields.Boolean(
        dump_only=True, required=True, **wire.about("Whether it has a POD document.")
    )
    created_at = wire.Timestamp(dump_only=True, required=True)
    updated_at = wire.Timestamp(dump_only=True, required=True)

    @validates_schema
    def _check_times(self, data: Mapping[str, Any], **_) -> None:
        if errors := wrong_times(data):
            raise ValidationError(errors)


class FileLoadSchema(LoadSchema):
    """A load in a file, which may have its weight in pounds instead."""

    weight_lbs = fields.Integer(
        strict=True, validate=validate.Range(2, int(MAX_WEIGHT_KG / KG_PER_POUND)), load_only=True
    )

    @post_load
    def _convert_weight(self, load: dict[str, Any], **_) -> dict[str, Any]:
        if pounds := load.pop("weight_lbs", None):
            load.setdefault("weight_kg", round(pounds * KG_PER_POUND))
        return load


class ListedLoadSchema(LoadSchema):
    class Meta(wire.WireSchema.Meta):
        exclude = DETAILS + SHOWN_PHONES

    # By its name: assignments are a layer above.
    assignment = wire.Expanded(
        "AssignmentWithDriverSchema",
        "With `expand=assignment`: that is not CANCELLED, or null.",
        allow_none=True,
    )


class LoadUpdateSchema(wire.PartialSchema, LoadSchema):
    status = fields.String(  # type: ignore[assignment]
        validate=validate.OneOf(
            [LoadStatus.OPEN.value, LoadStatus.CANCELLED.value],
            error="Must be one of: {choices}. The other statuses follow the assignment.",
        )
    )


CASE = wire.about("Case and accents are ignored.")


class LoadFilter(wire.WireSchema):
    q = wire.Words()
    status = wire.Several(fields.Enum(LoadStatus))
    origin = wire.Text(max_length=200, **CASE)
    destination = wire.Text(max_length=200, **CASE)
    cargo_type = wire.Text(max_length=100, **CASE)
    reference = wire.Text(max_length=64, **wire.about(wire.SAME_NUMBER))
    created_from = wire.Timestamp(**wire.about("Created at this time or later."))
    created_to = wire.Timestamp(**wire.about("Created before this time."))
    pickup_from = wire.Timestamp(**wire.about("Picked up at this time or later."))
    pickup_to = wire.Timestamp(**wire.about("Picked up before this time."))
    updated_from = wire.Timestamp(**wire.about("Last changed at this time or later."))
    updated_to = wire.Timestamp(**wire.about("Last changed before this time."))
    without_pod = wire.QueryFlag("Only COMPLETED loads without a POD document.")
    sort = fields.String(
        validate=validate.OneOf(["pickupAt", "updatedAt"]),
        **wire.about(
            "`pickupAt`: the soonest pickup first, loads without one last. "
            "`updatedAt`: the last change first. Newest first by default."
        ),
    )

    @validates_schema
    def _check_range(self, data, **_):
        wire.check_range(self, data, "created_from", "created_to")
        wire.check_range(self, data, "pickup_from", "pickup_to")
        wire.check_range(self, data, "updated_from", "updated_to")


class FileQuery(wire.WireSchema):
    bom = wire.QueryFlag("Start with a byte order mark, so that Excel reads it as UTF-8.")
    spreadsheet = wire.QueryFlag(
        "Put a single quote before cells that a spreadsheet would read as formulas. An import "
        "does not remove it."
    )


class ExportQuery(LoadFilter, FileQuery):
    """Which loads to export, and how."""


class PickupOrNever(wire.Timestamp):
    YEARS = range(1, 10_000)


class LoadQuery(LoadFilter, PageQuery):
    cursor = Cursor(PickupOrNever(), wire.Id())
    expand = wire.Expand("assignment")


class ImportQuery(wire.WireSchema):
    """How to read times without an offset, as in spreadsheets, and whether to create loads."""

    time_zone = fields.String(
        validate=check_time_zone,
        **wire.about(
            "IANA time zone of times without an offset. TIME_ZONE by default.",
            example="America/Chicago",
        ),
    )
    day_first = wire.QueryFlag("Read 3/4/2026 as 3 April.")
    dry_run = wire.QueryFlag("Create nothing; show the first 20 loads as read. `created` would be.")


class ImportedRowSchema(wire.WireSchema):
    row = fields.Integer(
        required=True, **wire.about("The row in the spreadsheet, or the line.", example=2)
    )
    load_id = wire.Id(required=True, allow_none=True)
    errors = fields.Dict(
        required=True,
        keys=fields.String(),
        values=fields.List(fields.String()),
        allow_none=True,
        **wire.about("Why there is no load: field → messages."),
    )
    already_there = fields.Boolean(
        required=True,
        **wire.about("Found by its reference or export, and left as it was.", example=False),
    )
    load = fields.Nested(  # type: ignore[assignment]
        LoadSchema(exclude=("id", "status", "has_pod", "created_at", "updated_at", *SHOWN_PHONES)),
        **wire.about("With `dryRun=true`."),
    )


class ImportReportSchema(wire.WireSchema):
    created = fields.Integer(required=True, metadata={"example": 9997})
    already_there = fields.Integer(required=True, metadata={"example": 1})
    refused = fields.Integer(required=True, metadata={"example": 2})
    rows = fields.List(fields.Nested(ImportedRowSchema), required=True)
    columns = fields.Dict(
        required=True,
        keys=fields.String(),
        values=fields.String(),
        **wire.about("Which field each became.", example={"From": "origin"}),
    )
    ignored = fields.List(
        fields.String(),
        required=True,
        **wire.about("Columns that are not fields of a load.", example=["Rate", "status"]),
    )
    sheet = fields.String(
        required=True,
        allow_none=True,
        **wire.about("The workbook's first sheet with these columns."),
    )


class TimelineQuery(PageQuery):
    cursor = Cursor(wire.Timestamp(), fields.UUID())


class ActorSchema(wire.WireSchema):
    id = wire.Id(required=True)
    name = fields.String(required=True, metadata={"example": "Dana Dispatcher"})


class TimelineEntrySchema(wire.WireSchema):
    id = fields.UUID(required=True)
    type = fields.Function(
        lambda event: LOAD_TYPES[event.type],
        required=True,
        metadata={"type": "string", "enum": list(LOAD_TYPES.values()), "example": "ASSIGNED"},
    )
    load_id = wire.Id(required=True)
    driver_id = wire.Id(required=True, allow_none=True)
    assignment_id = wire.Id(required=True, allow_none=True)
    payload = fields.Dict(required=True, **wire.about(PAYLOAD))
    user = fields.Nested(
        ActorSchema,
        attribute="payload.user",
        dump_default=None,
        required=True,
        allow_none=True,
        **wire.about("Who did it; null for a command."),
    )
    timestamp = wire.Timestamp(attribute="created_at", required=True)
    request_id = fields.String(required=True, allow_none=True)


class NewCommentSchema(wire.WireSchema):
    text = wire.Lines(
        max_length=2000, required=True, metadata={"example": "Dock 4 is closed today."}
    )
    visible_to_driver = wire.Flag(
        load_default=False,
        **wire.about("Whether the driver sees it, and is notified. false by default."),
    )


class CommentSchema(wire.WireSchema):
    """What a driver sees of a comment."""

    id = fields.UUID(required=True)
    text = fields.String(attribute="payload.comment.text", required=True)
    by_driver = fields.Boolean(attribute="payload.comment.byDriver", required=True)
    user = fields.Nested(ActorSchema, attribute="payload.user", required=True)
    timestamp = wire.Timestamp(attribute="created_at", required=True)


class FileName(wire.Text):
    def _normalize(self, text: str) -> str:
        if "/" in text or "\\" in text:
            raise RefusedText("Must be the name of a file, without folders.")
        return clean(text)


class NewDocumentQuery(wire.WireSchema):
    """What a file is. Its type is recognised by its content."""

    kind = fields.Enum(
        DocumentKind, load_default=DocumentKind.OTHER, **wire.about("OTHER by default.")
    )
    name = FileName(max_length=200, metadata={"example": "pod.jpg"})
    happened_at = wire.Timestamp(**wire.about("When the photo was taken."))


class DocumentSchema(wire.WireSchema):
    id = wire.Id(required=True)
    load_id = wire.Id(required=True)
    kind = fields.Enum(DocumentKind, required=True, metadata={"example": "POD"})
    media_type = fields.String(required=True, metadata={"example": "image/jpeg"})
    size = fields.Integer(required=True, **wire.about("In bytes."))
    sha256 = fields.String(required=True)
    name = fields.String(required=True, metadata={"example": "pod.jpg"})
    user = fields.Nested(ActorSchema, required=True)
    happened_at = wire.Timestamp(**wire.OR_NULL)
    created_at = wire.Timestamp(required=True)
