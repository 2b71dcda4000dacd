"""Keyset pagination: a page starts after the position of the previous page's last row.

See https://use-the-index-luke.com/no-offset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, tuple_

from billor.extensions import db

# A row's position in the order of its list: its values in the ordering columns.
Position = tuple[Any, ...]


@dataclass(frozen=True)
class Page:
    """Items, and the position after which the next page starts; None on the last page."""

    items: Sequence[Any]
    next_position: Position | None = None


def paginate(
    query: Select,
    order: Sequence[Any],
    cursor: Position | None,
    limit: int,
    *,
    newest_first: bool = True,
) -> Page:
    """Return a page of the query's rows in the `order` of some columns, after the `cursor`.

    The last column is unique. An index in this order makes a page take the same time for any
    number of rows.
    """
    if cursor is not None:
        place = tuple_(*order)
        query = query.where(place < cursor if newest_first else place > cursor)
    columns = [column.desc() if newest_first else column for column in order]
    rows = db.session.scalars(query.order_by(*columns).limit(limit + 1)).all()
    return page_of(rows, limit, lambda row: tuple(getattr(row, column.key) for column in order))


def page_of(rows: Sequence[Any], limit: int, position: Callable[[Any], Position]) -> Page:
    """Return a page of at most `limit + 1` rows; the extra one only shows that there are more."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))
