"""Keyset pagination: a page starts after the position of the previous page's last row.

See https://use-the-index-luke.com/no-offset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, tuple_
from sqlalchemy.orm.interfaces import ORMOption

from billor.models import db

# A row's position in the order of its list: its values in the ordering columns.
Position = tuple[Any, ...]

WALKED_ROWS = 500
"""How many rows of a list are searched one by one before the index of the search is asked."""


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
    search: ColumnElement[bool] | None = None,
    related: Sequence[ORMOption] = (),
) -> Page:
    """Return a page of the query's rows in the `order` of some columns, after the `cursor`.

    The last column is the model's id. An index in this order makes a page take the same time for
    any number of rows. `search` is one more condition, with an index of its own. `related` loads
    what is shown with each row, by the same statement: so all of a page is of one moment.
    """
    if cursor is not None:
        place = tuple_(*order)
        query = query.where(place < cursor if newest_first else place > cursor)
    in_order = query.order_by(*(_directed(column, newest_first) for column in order))
    if search is None:
        rows = _first_rows(in_order, limit, related)
    else:
        # PostgreSQL cannot know whether a word is common. If it is, the next rows fill the page.
        # Otherwise its index finds all that match. They are sorted by expressions: by columns, it
        # might choose to read the list's index instead, to its end.
        walked = in_order.with_only_columns(order[-1]).limit(WALKED_ROWS)
        rows = _first_rows(in_order.where(search, order[-1].in_(walked)), limit, related)
        if len(rows) <= limit:
            sorted_ = (_directed(func.greatest(column), newest_first) for column in order)
            rows = _first_rows(query.where(search).order_by(*sorted_), limit, related)
    return page_of(rows, limit, lambda row: tuple(getattr(row, column.key) for column in order))


def _directed(column: Any, newest_first: bool) -> Any:
    return column.desc() if newest_first else column


def _first_rows(query: Select, limit: int, related: Sequence[ORMOption]) -> Sequence[Any]:
    return db.session.scalars(query.options(*related).limit(limit + 1)).all()


def page_of(rows: Sequence[Any], limit: int, position: Callable[[Any], Position]) -> Page:
    """Return a page of at most `limit + 1` rows; the extra one only shows that there are more."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))
