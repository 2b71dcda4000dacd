"""Routes of `/stats`."""

from flask import Response

from billor.http.api import Blueprint
from billor.stats.pages import stats_text
from billor.stats.schemas import StatsQuery, StatsSchema

blueprint = Blueprint("stats", __name__, description="Figures over all loads and drivers.")


@blueprint.route("/stats")
@blueprint.arguments(StatsQuery, location="query")
@blueprint.response(200, StatsSchema)
def get_stats(query):
    """Count loads and drivers, now and over the last 30 days.

    Days are those of the time zone that you name. The figures agree with each other, and are at
    most 15 seconds old: `at` says of when they are.
    """
    return Response(stats_text(query["time_zone"]), content_type="application/json")
