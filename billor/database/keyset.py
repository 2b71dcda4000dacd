"""Keyset pagination: a page starts after the position of the previous page's last row.

See https://use-the-index-luke.com/no-offset. A list may be searched by the beginnings of words, or
by id: `#39`. Case, accents and variants of apostrophes and hyphens are ignored, by functions in the
database: `fold_text`, `search_vector` and `search_query`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, tuple_
from sqlalchemy.orm.interfaces import ORMOption

from billor.models import db, search_vector

# A row's position in the order of its list: its values in the ordering columns.
Position = tuple[Any, ...]

WALKED_ROWS = 500  # how many rows of a list are tested one by one before the search index is used


@dataclass(frozen=True)
class Page:
    """Items, and the position after which the next page starts, None on the last page."""

    items: Sequence[Any]
    next_position: Position | None = None


def paginate(
    query: Select,
    order: Sequence[Any],
    limit: int,
    cursor: Position | None = None,
    *,
    newest_first: bool = True,
    q: str | None = None,
    related: Sequence[ORMOption] = (),
) -> Page:
    """Return a page of rows after `cursor`, in the `order` of columns, of which the id is the last.

    `q` has the beginnings of words that a row must have; `related` loads by the same statement.
    """
    if cursor is not None:
        place = tuple_(*order)
        query = query.where(place < cursor if newest_first else place > cursor)
    in_order = query.order_by(*(_directed(column, newest_first) for column in order))
    if q is None:
        rows = _first_rows(in_order, limit, related)
    else:
        words = search_vector(order[-1].class_)
        search = words.op("@@")(func.search_query(func.fold_text(q)))
        # PostgreSQL cannot know whether a word is common. If it is, the first rows of the list fill
        # the page. Otherwise the search index finds all matches. Sorting by expressions keeps
        # PostgreSQL from scanning the whole index of the list instead.
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
    """Return a page of `rows`, which have one more than `limit` if there is a next page."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))
