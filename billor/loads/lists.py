"""Lists of loads: filters, order and pages."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import defer, joinedload
from sqlalchemy.orm.interfaces import ORMOption

from billor.database.keyset import Page, Position, paginate
from billor.loads.schemas import DETAILS
from billor.loads.service import REFERENCE
from billor.models import NEVER, Assignment, Load, LoadStatus

CREATED, PICKUP, UPDATED = Load.created_at, Load.pickup_or_never, Load.updated_at
RANGES: dict[str, Any] = {"created": CREATED, "pickup": PICKUP, "updated": UPDATED}
# By `sort`: the column, and whether the newest comes first.
ORDERS: dict[str | None, tuple[Any, bool]] = {
    None: (CREATED, True),
    "pickupAt": (PICKUP, False),
    "updatedAt": (UPDATED, True),
}
WITHOUT_DETAILS = [defer(getattr(Load, name), raiseload=True) for name in DETAILS]


def list_loads(
    limit: int,
    cursor: Position | None = None,
    sort: str | None = None,
    expand: Collection[str] = (),
    details: bool = False,
    q: str | None = None,
    **filters: Any,
) -> Page:
    """Return a page of loads, newest first, that match; `details` adds those of `DETAILS`."""
    order, newest_first = ORDERS[sort]
    ranges = {
        column: (filters.pop(f"{name}_from", None), filters.pop(f"{name}_to", None))
        for name, column in RANGES.items()
    }
    start, end = ranges[PICKUP]
    if start is not None and end is None:
        ranges[PICKUP] = start, NEVER  # leaves out loads without a pickup
    query = select(Load).where(*_conditions(**filters))
    # A range's start is merged into the cursor: of two conditions on a column, PostgreSQL may start
    # reading at the wrong one.
    start, end = ranges[order]
    if newest_first and end is not None:
        cursor = min(cursor or (end, 0), (end, 0))
        ranges[order] = start, None
    if not newest_first and start is not None:
        cursor = max(cursor or (start, 0), (start, 0))
        ranges[order] = None, end
    for column, (start, end) in ranges.items():
        if start is not None:
            query = query.where(column >= start)
        if end is not None:
            query = query.where(column < end)
    related: list[ORMOption] = [] if details else [*WITHOUT_DETAILS]
    if expand:
        related.append(joinedload(Load.assignment).joinedload(Assignment.driver))
    return paginate(
        query, [order, Load.id], limit, cursor, newest_first=newest_first, q=q, related=related
    )


def _conditions(
    status: Collection[str] = (),
    reference: str | None = None,
    without_pod: bool = False,
    **texts: str,
) -> list[ColumnElement[bool]]:
    """Return the conditions of filters; the other texts are compared like in a search."""
    conditions: list[ColumnElement[bool]] = [
        func.fold_text(getattr(Load, name)) == func.fold_text(text) for name, text in texts.items()
    ]
    if status:
        conditions.append(Load.status.in_(status))
    if reference is not None:
        conditions.append(REFERENCE.equals(reference))
    if without_pod:
        conditions += [Load.status == LoadStatus.COMPLETED, ~Load.has_pod]
    return conditions
