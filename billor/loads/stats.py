"""`GET /stats`: figures over all loads and drivers, cached in Redis for some seconds."""

import json
from threading import BoundedSemaphore

from flask import Response, current_app
from marshmallow import fields

from billor.api.blocking import slot
from billor.api.blueprint import Blueprint
from billor.api.fields import Timestamp, WireSchema
from billor.cache import TURN_SECONDS
from billor.config import check_time_zone
from billor.loads.figures import count_all
from billor.models import LoadStatus

CACHE_SECONDS = 15

blueprint = Blueprint("stats", __name__, description="Figures over all loads and drivers.")
_counting = BoundedSemaphore(1)


def _count(description: str) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": description, "example": 12})


def _median(description: str) -> fields.Float:
    return fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": f"{description} Null if there is none.", "example": 840.5},
    )


class StatsQuery(WireSchema):
    time_zone = fields.String(
        load_default="UTC",
        validate=check_time_zone,
        metadata={
            "description": "The IANA time zone in which days begin.",
            "example": "America/Chicago",
        },
    )


class DriversSchema(WireSchema):
    available = _count("Active and without an active load.")
    busy = _count("Active and with an active load.")
    inactive = _count("Not assigned any loads.")


class DoneSchema(WireSchema):
    created = _count("Loads created.")
    assigned = _count("Assignments made.")
    completed = _count("Loads completed.")
    cancelled = _count("Cancellations of loads.")


class DaySchema(DoneSchema):
    date = fields.Date(required=True)
    median_seconds_to_assign = _median(
        "From a load's creation to its first assignment, of loads first assigned on this day."
    )


class StatsSchema(WireSchema):
    at = Timestamp(
        required=True, metadata={"description": "When it was counted: at most 15 seconds ago."}
    )
    time_zone = fields.String(required=True, metadata={"example": "America/Chicago"})
    loads_by_status = fields.Nested(
        WireSchema.from_dict(
            {status.value: _count(f"Loads that are {status}.") for status in LoadStatus},
            name="LoadsByStatusSchema",
        ),
        required=True,
        data_key="loads",
    )
    drivers = fields.Nested(DriversSchema, required=True)
    today = fields.Nested(DoneSchema, required=True)
    days = fields.List(
        fields.Nested(DaySchema),
        required=True,
        metadata={"description": "30 days, the oldest first, today last."},
    )
    median_seconds_to_assign = _median(
        "From a load's creation to its first assignment, over these days."
    )
    median_seconds_to_complete = _median("From a load's creation to its end, over these days.")


_schema = StatsSchema()


@blueprint.route("/stats")
@blueprint.arguments(StatsQuery, location="query")
@blueprint.response(200, StatsSchema)
def get_stats(query):
    """Count loads and drivers, now and over the last 30 days.

    Days are those of the time zone that you name. The figures are consistent, and at most 15
    seconds old, counted at the time `at`.
    """
    zone = query["time_zone"]
    pages = current_app.extensions["pages"]
    with slot(_counting, "request_timeout", TURN_SECONDS):  # one request of a process counts
        text = pages.shared_text(
            f"stats-1:{zone}", CACHE_SECONDS, lambda: json.dumps(_schema.dump(count_all(zone)))
        )
    return Response(text, content_type="application/json")
