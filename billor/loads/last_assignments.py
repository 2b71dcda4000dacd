"""The last assignment of each of some loads, with its driver; for exports."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from billor.models import Assignment, Driver, db


def last_assignments(load_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the last assignment of each load that has had one, with its driver, by the load's id.

    It is the active one if there is one.
    """
    newest = (Assignment.assigned_at.desc(), Assignment.id.desc())
    rows = db.session.execute(
        select(
            Assignment.load_id,
            Assignment.assigned_at,
            Assignment.closed_at,
            Driver.id.label("driver_id"),
            Driver.name.label("driver_name"),
            Driver.license_number.label("driver_license_number"),
        )
        .select_from(Assignment)
        .join(Assignment.driver)
        .where(Assignment.load_id.in_(load_ids))
        .ext(distinct_on(Assignment.load_id))
        .order_by(Assignment.load_id, *newest)
    )
    return {row["load_id"]: dict(row) for row in rows.mappings()}
