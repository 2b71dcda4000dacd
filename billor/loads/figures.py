"""Counts loads and drivers, now and over the last days."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DataError

from billor.database import transaction
from billor.errors import Invalid
from billor.models import LoadStatus, db

DAYS = 30
DONE = ("created", "assigned", "completed", "cancelled")

TODAY = text("SELECT now() AS at, date(now() AT TIME ZONE :zone) AS today")
# One statement, so that the figures agree. The rows without a day are totals.
FIGURES = text(f"""
    WITH first_day AS (
        SELECT date_trunc('day', now() AT TIME ZONE :zone) - interval '{DAYS - 1} days' AS local
    ),
    start AS (
        SELECT local AT TIME ZONE :zone AS at FROM first_day
    ),
    happened AS (
        SELECT 'created' AS kind, created_at AS at, CAST(NULL AS interval) AS took
        FROM loads WHERE created_at >= (SELECT at FROM start)
        UNION ALL
        SELECT 'assigned', assigned_at, NULL
        FROM driver_load_assignments WHERE assigned_at >= (SELECT at FROM start)
        UNION ALL
        SELECT 'cancelled', created_at, NULL
        FROM load_events WHERE type = 'load.cancelled' AND created_at >= (SELECT at FROM start)
        UNION ALL
        SELECT 'completed', closed_at, closed_at - created_at
        FROM driver_load_assignments AS assignment JOIN loads ON loads.id = load_id
        WHERE assignment.status = 'COMPLETED' AND closed_at >= (SELECT at FROM start)
        UNION ALL
        SELECT 'first assigned', min(assigned_at), min(assigned_at) - created_at
        FROM driver_load_assignments JOIN loads ON loads.id = load_id
        WHERE load_id IN (
            SELECT load_id FROM driver_load_assignments
            WHERE assigned_at >= (SELECT at FROM start)
        )
        GROUP BY loads.id HAVING min(assigned_at) >= (SELECT at FROM start)
    )
    SELECT kind, date(at AT TIME ZONE :zone) AS day, count(*) AS total,
        extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY took)) AS median
    FROM happened
    GROUP BY kind, GROUPING SETS ((day), ())
    UNION ALL
    SELECT status, NULL, count(*), NULL FROM loads GROUP BY status
    UNION ALL
    SELECT CASE WHEN status = 'INACTIVE' THEN 'inactive' WHEN has_load THEN 'busy'
        ELSE 'available' END AS kind, NULL, count(*), NULL
    FROM drivers GROUP BY kind
""")  # noqa: S608 - only a constant


def count_all(zone_name: str) -> dict[str, Any]:
    """Return the figures, by the attributes of `StatsSchema`; days are those of a time zone.

    Raises `Invalid` for a zone that PostgreSQL does not know.
    """
    zone = {"zone": zone_name}
    with transaction():
        try:
            at, today = db.session.execute(TODAY, zone).one()
        except DataError as error:
            raise Invalid({"timeZone": ["PostgreSQL does not know this time zone."]}) from error
        totals, medians = {}, {}
        for kind, day, total, median in db.session.execute(FIGURES, zone):
            totals[kind, day], medians[kind, day] = total, median
    days = [
        {"date": day, "median_seconds_to_assign": medians.get(("first assigned", day))}
        | {kind: totals.get((kind, day), 0) for kind in DONE}
        for day in (today - timedelta(days=ago) for ago in reversed(range(DAYS)))
    ]
    return {
        "at": at,
        "time_zone": zone_name,
        "loads_by_status": {status.value: totals.get((status, None), 0) for status in LoadStatus},
        "drivers": {
            kind: totals.get((kind, None), 0) for kind in ("available", "busy", "inactive")
        },
        "today": days[-1],
        "days": days,
        "median_seconds_to_assign": medians.get(("first assigned", None)),
        "median_seconds_to_complete": medians.get(("completed", None)),
    }
