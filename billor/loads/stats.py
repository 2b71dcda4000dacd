"""`GET /stats…`: figures over all loads and drivers, cached in Redis for some seconds."""

import json
from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any

from flask import Response, current_app
from marshmallow import Schema, fields

from billor.api.blocking import QUEUE_SECONDS, slot
from billor.api.blueprint import Blueprint
from billor.api.fields import Id, QueryInteger, Timestamp, WireSchema, about
from billor.config import check_time_zone
from billor.loads.figures import count_all, count_by_driver
from billor.models import LoadStatus

CACHE_SECONDS = 15

blueprint = Blueprint("stats", __name__, description="Figures over all loads and drivers.")
_counting = BoundedSemaphore(1)


def _count(description: str) -> fields.Integer:
    return fields.Integer(required=True, **about(description, example=12))


def _median(description: str) -> fields.Float:
    return fields.Float(
        required=True,
        allow_none=True,
        **about(f"{description} Null if there is none.", example=840.5),
    )


class StatsQuery(WireSchema):
    time_zone = fields.String(
        load_default="UTC",
        validate=check_time_zone,
        **about("IANA time zone of the days.", example="America/Chicago"),
    )


class DriverStatsQuery(StatsQuery):
    weeks = QueryInteger(maximum=13, load_default=4)


class OnTimeSchema(WireSchema):
    share = fields.Float(required=True, allow_none=True, metadata={"example": 0.95})
    of = _count("Completed loads with a `deliverBy`.")


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


class CountedSchema(WireSchema):
    at = Timestamp(required=True, **about("When it was counted: at most 15 seconds ago."))
    time_zone = fields.String(required=True, metadata={"example": "America/Chicago"})


class StatsSchema(CountedSchema):
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
        fields.Nested(DaySchema), required=True, **about("30 days, the oldest first, today last.")
    )
    median_seconds_to_assign = _median(
        "From a load's creation to its first assignment, over these days."
    )
    median_seconds_to_complete = _median("From a load's creation to its end, over these days.")
    on_time = fields.Nested(OnTimeSchema, required=True)
    median_seconds_at_pickup = _median("From AT_PICKUP to LOADED, of loads completed these days.")
    median_seconds_at_delivery = _median("From AT_DELIVERY to the end, of the same loads.")


class DriverWeeksSchema(WireSchema):
    id = Id(required=True)
    name = fields.String(required=True, metadata={"example": "Alex Carter"})
    completed = fields.List(_count("Loads completed in each of `weeks`."), required=True)
    on_time = fields.Nested(OnTimeSchema, required=True)


class DriverStatsSchema(CountedSchema):
    weeks = fields.List(fields.Date(), required=True)
    drivers = fields.List(fields.Nested(DriverWeeksSchema), required=True)


@blueprint.route("/stats")
@blueprint.arguments(StatsQuery, location="query")
@blueprint.response(200, StatsSchema)
def get_stats(query):
    """Count loads and drivers, now and over the last 30 days.

    Days are those of the time zone that you name. The figures are consistent, and at most 15
    seconds old, counted at the time `at`.
    """
    return _counted("stats", StatsSchema(), count_all, query["time_zone"])


@blueprint.route("/stats/drivers")
@blueprint.arguments(DriverStatsQuery, location="query")
@blueprint.response(200, DriverStatsSchema)
def get_driver_stats(query):
    """Count the loads that each driver completed in each of the last weeks, the oldest first.

    Weeks begin on Monday, in the time zone that you name. Drivers are sorted by name, and those
    who are INACTIVE and completed none are left out. The figures are at most 15 seconds old.
    """
    return _counted(
        "driver-stats", DriverStatsSchema(), count_by_driver, query["time_zone"], query["weeks"]
    )


def _counted(
    name: str, schema: Schema, count: Callable[..., dict[str, Any]], *parameters: Any
) -> Response:
    """Return the figures as JSON, counted by one request of a process, and for all of them."""
    key = ":".join(map(str, [name, *parameters]))
    pages = current_app.extensions["pages"]
    with slot(_counting, "request_timeout", QUEUE_SECONDS):
        text = pages.shared_text(
            key, CACHE_SECONDS, lambda: json.dumps(schema.dump(count(*parameters)))
        )
    return Response(text, content_type="application/json")
