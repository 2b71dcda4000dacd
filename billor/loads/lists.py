"""Lists of loads: filters, order and pages."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import joinedload

from billor.database.keyset import Page, Position, paginate
from billor.database.search import has_words
from billor.loads.service import REFERENCE
from billor.models import NEVER, Assignment, Load


def list_loads(
    limit: int,
    cursor: Position | None = None,
    sort: str | None = None,
    expand: Collection[str] = (),
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    pickup_from: datetime | None = None,
    pickup_to: datetime | None = None,
    q: str | None = None,
    **filters: Any,
) -> Page:
    """Return a page of loads, newest first; None matches all.

    Ranges exclude `created_to` and `pickup_to`. With `sort="pickupAt"`, the soonest pickup comes
    first, and loads without one last. `expand` may be `assignment`: the active one, with its
    driver. `q` has prefixes of words in a load's texts. `filters` are those of `_conditions`.
    """
    if pickup_from is not None and pickup_to is None:
        pickup_to = NEVER  # leaves out loads without a pickup
    created, pickup = Load.created_at, Load.pickup_or_never
    query = select(Load).where(*_conditions(**filters))
    # A range's start is merged into the cursor: of two conditions on a column, PostgreSQL may start
    # reading at the wrong one.
    if sort and pickup_from is not None:
        cursor = max(cursor or (pickup_from, 0), (pickup_from, 0))
        pickup_from = None
    if not sort and created_to is not None:
        cursor = min(cursor or (created_to, 0), (created_to, 0))
        created_to = None
    if created_from is not None:
        query = query.where(created >= created_from)
    if created_to is not None:
        query = query.where(created < created_to)
    if pickup_from is not None:
        query = query.where(pickup >= pickup_from)
    if pickup_to is not None:
        query = query.where(pickup < pickup_to)
    return paginate(
        query,
        [pickup if sort else created, Load.id],
        cursor,
        limit,
        newest_first=not sort,
        search=None if q is None else has_words(Load, q),
        related=[joinedload(Load.assignment).joinedload(Assignment.driver)] if expand else [],
    )


def _conditions(
    status: Collection[str] = (),
    reference: str | None = None,
    origin: str | None = None,
    destination: str | None = None,
    cargo_type: str | None = None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of filters; texts are compared like in a search."""
    places = {Load.origin: origin, Load.destination: destination, Load.cargo_type: cargo_type}
    conditions: list[ColumnElement[bool]] = [
        func.fold_text(column) == func.fold_text(value)
        for column, value in places.items()
        if value is not None
    ]
    if status:
        conditions.append(Load.status.in_(status))
    if reference is not None:
        conditions.append(REFERENCE.equals(reference))
    return conditions
