"""Figures over all loads and drivers, counted as they are now."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import TextClause, func, select, text

from billor.database import execute, transaction
from billor.models import LoadStatus
from billor.stats import queries

DAYS = 30
# One snapshot for all figures, so that they agree.
SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def count_all(zone_name: str) -> dict[str, Any]:
    """Return the figures, by the attributes of `StatsSchema`; days are those of a time zone."""
    with transaction():
        execute(SNAPSHOT)
        now = execute(select(func.now())).scalar_one()
        days = last_days(now, ZoneInfo(zone_name))
        limits = day_limits(days, ZoneInfo(zone_name))
        by_status = dict(execute(queries.LOADS_BY_STATUS).all())
        drivers = execute(queries.DRIVERS).one()._asdict()
        done = {
            name: _by_day(query, limits)
            for name, query in {
                "created": queries.CREATED,
                "assigned": queries.ASSIGNED,
                "completed": queries.COMPLETED,
                "cancelled": queries.CANCELLED,
            }.items()
        }
        to_assign = _by_day(queries.FIRST_ASSIGNED, limits)
    completed = done["completed"].get(None)
    counted = [
        {"date": day}
        | {name: found[number].total if number in found else 0 for name, found in done.items()}
        | {"median_seconds_to_assign": to_assign[number].median if number in to_assign else None}
        for number, day in enumerate(days, start=1)
    ]
    return {
        "at": now,
        "time_zone": zone_name,
        "loads_by_status": {status.value: by_status.get(status, 0) for status in LoadStatus},
        "drivers": drivers,
        "today": counted[-1],
        "days": counted,
        "median_seconds_to_assign": to_assign[None].median,
        "median_seconds_to_complete": completed.median if completed else None,
    }


def last_days(now: datetime, zone: ZoneInfo) -> list[date]:
    """Return the dates of the last `DAYS` days in a time zone, today last."""
    today = now.astimezone(zone).date()
    return [today - timedelta(days=ago) for ago in reversed(range(DAYS))]


def day_limits(days: Sequence[date], zone: ZoneInfo) -> list[datetime]:
    """Return when each of these days begins, and when the last one ends.

    A day that lacks its midnight, or has it twice, begins at the first moment of its date.
    """
    dates = [*days, days[-1] + timedelta(days=1)]
    return [datetime.combine(date, time(), zone) for date in dates]


def _by_day(query: TextClause, limits: Sequence[datetime]) -> dict[int | None, Any]:
    """Return rows by the numbers of their days, from 1 on; None is for all days."""
    values = {"limits": limits, "start": limits[0]}
    return {row.day: row for row in execute(query, values)}
