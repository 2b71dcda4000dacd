"""Counts loads and drivers, now and over the last days or weeks."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import DataError

from billor.database import transaction
from billor.errors import Invalid
from billor.models import LoadStatus, db

DAYS = 30
DONE = ("created", "assigned", "completed", "cancelled")

TODAY = text("SELECT now() AS at, date(now() AT TIME ZONE :zone) AS today")
# No subquery: PostgreSQL could not know how many rows are later, and would read all of them.
START = f"""
    (date_trunc('day', now() AT TIME ZONE :zone) - interval '{DAYS - 1} days') AT TIME ZONE :zone
"""
HAS_BEGUN = "status <> 'PLANNED' AND assigned_at IS DISTINCT FROM closed_at"
"""Of an assignment; one that was cancelled while it was planned ends when it begins."""
# One statement, so that the figures agree. The rows without a day are totals.
FIGURES = text(f"""
    WITH completed AS (
        SELECT assignment.id, closed_at, created_at, deliver_by
        FROM driver_load_assignments AS assignment JOIN loads ON loads.id = load_id
        WHERE assignment.status = 'COMPLETED' AND closed_at >= {START}
    ),
    waited AS (
        SELECT closed_at, max(happened_at) FILTER (WHERE kind = 'LOADED')
                - min(happened_at) FILTER (WHERE kind = 'AT_PICKUP') AS at_pickup,
            closed_at - min(happened_at) FILTER (WHERE kind = 'AT_DELIVERY') AS at_delivery
        FROM completed JOIN check_ins ON assignment_id = completed.id
        GROUP BY completed.id, closed_at
    ),
    happened AS (
        SELECT 'created' AS kind, created_at AS at, CAST(NULL AS interval) AS took
        FROM loads WHERE created_at >= {START}
        UNION ALL
        SELECT 'assigned', assigned_at, NULL
        FROM driver_load_assignments WHERE {HAS_BEGUN} AND assigned_at >= {START}
        UNION ALL
        SELECT 'cancelled', created_at, NULL
        FROM load_events WHERE type = 'load.cancelled' AND created_at >= {START}
        UNION ALL
        SELECT 'completed', closed_at, closed_at - created_at FROM completed
        UNION ALL
        SELECT CASE WHEN closed_at <= deliver_by THEN 'on time' ELSE 'late' END, closed_at, NULL
        FROM completed WHERE deliver_by IS NOT NULL
        UNION ALL
        SELECT 'at pickup', closed_at, at_pickup FROM waited WHERE at_pickup >= interval '0'
        UNION ALL
        SELECT 'at delivery', closed_at, at_delivery FROM waited WHERE at_delivery >= interval '0'
        UNION ALL
        SELECT 'first assigned', min(assigned_at), min(assigned_at) - created_at
        FROM (SELECT * FROM driver_load_assignments WHERE {HAS_BEGUN}) AS assignment
        JOIN loads ON loads.id = load_id
        WHERE load_id IN (SELECT load_id FROM driver_load_assignments WHERE assigned_at >= {START})
        GROUP BY loads.id HAVING min(assigned_at) >= {START}
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
BY_DRIVER = text("""
    WITH completed AS (
        SELECT driver_id, date(date_trunc('week', closed_at AT TIME ZONE :zone)) AS week,
            closed_at <= deliver_by AS is_on_time
        FROM driver_load_assignments AS assignment JOIN loads ON loads.id = load_id
        WHERE assignment.status = 'COMPLETED' AND closed_at >= (
            date_trunc('week', now() AT TIME ZONE :zone) - (:weeks - 1) * interval '1 week'
        ) AT TIME ZONE :zone
    )
    SELECT drivers.id, name, array_agg(week) AS weeks, count(is_on_time) AS due,
        count(*) FILTER (WHERE is_on_time) AS on_time
    FROM drivers LEFT JOIN completed ON driver_id = drivers.id
    WHERE status = 'ACTIVE' OR week IS NOT NULL
    GROUP BY drivers.id
    ORDER BY fold_text(name), drivers.id
""")


def count_all(zone_name: str) -> dict[str, Any]:
    """Return the figures, by the attributes of `StatsSchema`; days are those of a time zone."""
    at, today, rows = _count(FIGURES, zone=zone_name)
    totals = {(row.kind, row.day): row.total for row in rows}
    medians = {(row.kind, row.day): row.median for row in rows}
    days = [
        {"date": day, "median_seconds_to_assign": medians.get(("first assigned", day))}
        | {kind: totals.get((kind, day), 0) for kind in DONE}
        for day in (today - timedelta(days=ago) for ago in reversed(range(DAYS)))
    ]
    on_time, late = (totals.get((kind, None), 0) for kind in ("on time", "late"))
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
        "on_time": _share(on_time, on_time + late),
        "median_seconds_at_pickup": medians.get(("at pickup", None)),
        "median_seconds_at_delivery": medians.get(("at delivery", None)),
    }


def count_by_driver(zone_name: str, weeks: int) -> dict[str, Any]:
    """Return what drivers have completed, by the attributes of `DriverStatsSchema`."""
    at, today, rows = _count(BY_DRIVER, zone=zone_name, weeks=weeks)
    monday = today - timedelta(days=today.weekday())
    mondays = [monday - timedelta(weeks=ago) for ago in reversed(range(weeks))]
    return {
        "at": at,
        "time_zone": zone_name,
        "weeks": mondays,
        "drivers": [
            {
                "id": row.id,
                "name": row.name,
                "completed": [row.weeks.count(week) for week in mondays],
                "on_time": _share(row.on_time, row.due),
            }
            for row in rows
        ],
    }


def _count(figures: TextClause, **parameters: Any) -> tuple[datetime, date, Sequence[Row]]:
    """Return the time of counting, the day it is in the zone, and the figures."""
    with transaction():
        try:
            at, today = db.session.execute(TODAY, parameters).one()
        except DataError as error:
            raise Invalid({"timeZone": ["The database does not know this time zone."]}) from error
        return at, today, db.session.execute(figures, parameters).all()


def _share(part: int, of: int) -> dict[str, Any]:
    return {"share": part / of if of else None, "of": of}
