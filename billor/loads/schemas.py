"""Wire schemas of loads and of their timeline."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

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
    check_range,
)
from billor.api.pagination import Cursor, PageQuery
from billor.config import check_time_zone
from billor.events.event import LOAD_TYPES, PAYLOAD
from billor.models import LoadStatus

REFERENCE = f"The shipper's order number, among loads that are not CANCELLED. {SAME_NUMBER}"

DELIVERED_TOO_EARLY = "Must not be before `pickupAt`."


def is_before(deliver_by: datetime | None, pickup_at: datetime | None) -> bool:
    """Return whether a load would have to be delivered before it is picked up."""
    return deliver_by is not None and pickup_at is not None and deliver_by < pickup_at


class LoadSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    origin = Text(max_length=200, required=True, metadata={"example": "Dallas, TX"})
    destination = Text(max_length=200, required=True, metadata={"example": "Atlanta, GA"})
    cargo_type = Text(max_length=100, required=True, metadata={"example": "Refrigerated"})
    reference = Identifier(
        max_length=64,
        allow_none=True,
        metadata={"description": REFERENCE, "example": "PO-1001"},
    )
    pickup_at = Timestamp(allow_none=True)
    deliver_by = Timestamp(
        allow_none=True,
        metadata={"description": "The deadline for delivery; not before `pickupAt`."},
    )
    status = fields.Enum(LoadStatus, dump_only=True, required=True, metadata={"example": "OPEN"})
    created_at = Timestamp(dump_only=True, required=True)
    updated_at = Timestamp(dump_only=True, required=True)

    @validates_schema
    def _check_times(self, data: Mapping[str, Any], **_) -> None:
        if is_before(data.get("deliver_by"), data.get("pickup_at")):
            raise ValidationError(DELIVERED_TOO_EARLY, "deliverBy")


class ListedLoadSchema(LoadSchema):
    # By its name: assignments are a layer above.
    assignment = Expanded(
        "AssignmentWithDriverSchema",
        dump_only=True,
        allow_none=True,
        metadata={"description": "With `expand=assignment`: that is not CANCELLED, or null."},
    )


class LoadUpdateSchema(PartialSchema, LoadSchema):
    status = fields.String(  # type: ignore[assignment]
        validate=validate.OneOf(
            [LoadStatus.OPEN.value, LoadStatus.CANCELLED.value],
            error="Must be one of: {choices}. The other statuses follow the assignment.",
        )
    )


CASE = {"description": "Case and accents are ignored."}


class LoadFilter(WireSchema):
    q = Words()
    status = Several(fields.Enum(LoadStatus))
    origin = Text(max_length=200, metadata=CASE)
    destination = Text(max_length=200, metadata=CASE)
    cargo_type = Text(max_length=100, metadata=CASE)
    reference = Text(max_length=64, metadata={"description": SAME_NUMBER})
    created_from = Timestamp(metadata={"description": "Created at this time or later."})
    created_to = Timestamp(metadata={"description": "Created before this time."})
    pickup_from = Timestamp(metadata={"description": "Picked up at this time or later."})
    pickup_to = Timestamp(metadata={"description": "Picked up before this time."})
    updated_from = Timestamp(metadata={"description": "Last changed at this time or later."})
    updated_to = Timestamp(metadata={"description": "Last changed before this time."})
    sort = fields.String(
        validate=validate.OneOf(["pickupAt", "updatedAt"]),
        metadata={
            "description": "`pickupAt`: the soonest pickup first, loads without one last. "
            "`updatedAt`: the last change first. Newest first by default."
        },
    )

    @validates_schema
    def _check_range(self, data, **_):
        check_range(self, data, "created_from", "created_to")
        check_range(self, data, "pickup_from", "pickup_to")
        check_range(self, data, "updated_from", "updated_to")


class FileQuery(WireSchema):
    bom = QueryFlag("Start with a byte order mark, so that Excel reads it as UTF-8.")
    spreadsheet = QueryFlag(
        "Put a single quote before cells that a spreadsheet would read as formulas. An import "
        "does not remove it."
    )


class ExportQuery(LoadFilter, FileQuery):
    """Which loads to export, and how."""


class LastAssignmentSchema(WireSchema):
    """A load's last assignment in an export."""

    driver_id = Id()
    driver_name = fields.String()
    driver_license_number = fields.String()
    assigned_at = Timestamp()
    closed_at = Timestamp()


class PickupOrNever(Timestamp):
    YEARS = range(1, 10_000)


class LoadQuery(LoadFilter, PageQuery):
    cursor = Cursor(PickupOrNever(), Id())
    expand = Expand("assignment")


class ImportQuery(WireSchema):
    """How to read times without an offset, as in spreadsheets, and whether to create loads."""

    time_zone = fields.String(
        validate=check_time_zone,
        metadata={
            "description": "IANA time zone of times without an offset. TIME_ZONE by default.",
            "example": "America/Chicago",
        },
    )
    day_first = QueryFlag("Read 3/4/2026 as 3 April.")
    dry_run = QueryFlag("Create nothing; show the first 20 loads as read. `created` would be.")


class ImportedRowSchema(WireSchema):
    row = fields.Integer(
        required=True,
        metadata={"description": "The row in the spreadsheet, or the line.", "example": 2},
    )
    load_id = Id(required=True, allow_none=True)
    errors = fields.Dict(
        required=True,
        keys=fields.String(),
        values=fields.List(fields.String()),
        allow_none=True,
        metadata={"description": "Why there is no load: field → messages."},
    )
    already_there = fields.Boolean(
        required=True,
        metadata={
            "description": "The load existed already, with this reference or from the same "
            "export, and was not changed.",
            "example": False,
        },
    )
    load = fields.Nested(  # type: ignore[assignment]
        LoadSchema(exclude=("id", "status", "created_at", "updated_at")),
        metadata={"description": "With `dryRun=true`."},
    )


class ImportReportSchema(WireSchema):
    created = fields.Integer(required=True, metadata={"example": 9997})
    already_there = fields.Integer(required=True, metadata={"example": 1})
    refused = fields.Integer(required=True, metadata={"example": 2})
    rows = fields.List(fields.Nested(ImportedRowSchema), required=True)
    columns = fields.Dict(
        required=True,
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Which field each became.", "example": {"From": "origin"}},
    )
    ignored = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "Columns that are not fields of a load.",
            "example": ["Rate", "status"],
        },
    )
    sheet = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The workbook's first sheet with these columns."},
    )


class TimelineQuery(PageQuery):
    cursor = Cursor(Timestamp(), fields.UUID())


class ActorSchema(WireSchema):
    id = Id(required=True)
    name = fields.String(required=True, metadata={"example": "Dana Dispatcher"})


class TimelineEntrySchema(WireSchema):
    id = fields.UUID(required=True)
    type = fields.Function(
        lambda event: LOAD_TYPES[event.type],
        required=True,
        metadata={"type": "string", "enum": list(LOAD_TYPES.values()), "example": "ASSIGNED"},
    )
    load_id = Id(required=True)
    driver_id = Id(required=True, allow_none=True)
    assignment_id = Id(required=True, allow_none=True)
    payload = fields.Dict(required=True, metadata={"description": PAYLOAD})
    user = fields.Nested(
        ActorSchema,
        attribute="payload.user",
        dump_default=None,
        required=True,
        allow_none=True,
        metadata={"description": "Who did it; null for a command."},
    )
    timestamp = Timestamp(attribute="created_at", required=True)
    request_id = fields.String(required=True, allow_none=True)
