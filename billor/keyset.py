"""Keyset pagination: a page starts after the position of the previous page's last row.

See https://use-the-index-luke.com/no-offset.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, select, true, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Load, aliased

from billor.extensions import db
from billor.models import joined

# A row's position in the order of its list: its values in the ordering columns.
Position = tuple[Any, ...]


@dataclass(frozen=True)
class Page:
    """Items, and the position after which the next page starts; None on the last page."""

    items: Sequence[Any]
    next_position: Position | None = None


def paginate(
    queries: Sequence[Select],
    order: Sequence[InstrumentedAttribute],
    cursor: Position | None,
    limit: int,
    *,
    newest_first: bool = True,
    related: Sequence[Sequence[Any]] = (),
) -> Page:
    """Return a page of the rows that the `queries` find, in the `order`, after the `cursor`.

    Without any query it is empty. No two queries may find the same row. Each should be one range of
    an index in that order: then a page takes the same time for any number of rows. A search for one
    of several values is several ranges, so one query for each.

    `related` are paths of relationships to one row each, which are loaded with the same statement:
    what is shown together is of one moment.
    """
    if not queries:
        return Page([])
    if cursor is not None:
        place = tuple_(*order)
        is_after = place < cursor if newest_first else place > cursor
        queries = [query.where(is_after) for query in queries]
    query = _first_rows(queries, order, limit + 1, newest_first, related)
    return page_of(
        db.session.scalars(query).all(),
        limit,
        lambda row: tuple(getattr(row, column.key) for column in order),
    )


def _first_rows(
    queries: Sequence[Select],
    order: Sequence[InstrumentedAttribute],
    count: int,
    newest_first: bool,
    related: Sequence[Sequence[Any]],
) -> Select:
    """Return one query, and so one snapshot, for the first rows of all queries."""

    def first(query: Select, columns: Sequence[InstrumentedAttribute]) -> Select:
        in_order = [column.desc() for column in columns] if newest_first else columns
        return query.order_by(*in_order).limit(count)

    parts = [first(query, order) for query in queries]
    if len(parts) == 1:
        return _with_related(parts[0], order[0].class_, related)
    together = union_all(*(select(part.subquery()) for part in parts)).subquery()
    row = aliased(order[0].class_, together)
    whole = first(select(row), [getattr(row, column.key) for column in order])
    return _with_related(whole, row, related)


def _with_related(query: Select, row: Any, paths: Sequence[Sequence[Any]]) -> Select:
    """Join what the paths lead to, by an index for each row.

    Left to itself, PostgreSQL may read a whole table or index instead, since pages are small.
    """
    for path in paths:
        parent, option = row, Load(row)
        for name in (relationship.key for relationship in path):
            attribute = getattr(parent, name)
            model = attribute.property.mapper.class_
            found = select(model).where(attribute.expression).limit(1).lateral()
            parent = aliased(model, found)
            query = query.outerjoin(parent, true())
            option = option.contains_eager(attribute.of_type(parent))
        query = query.options(option)
    return query


def one_for_each_status(
    query: Select,
    statuses: Iterable[str],
    column: InstrumentedAttribute,
    filters: Mapping[InstrumentedAttribute, Any],
    as_text: Callable[[Any], ColumnElement[str]],
) -> list[Select]:
    """Return one query for each status, each a range of the index on just these columns.

    `filters` are values of other columns, compared as text; None matches all.
    """
    given = [name for name, value in filters.items() if value is not None]
    columns = [as_text(name) for name in given]
    values = [as_text(filters[name]) for name in given]
    return [
        query.where(joined([*columns, column]) == joined([*values, status]))
        for status in dict.fromkeys(statuses)
    ]


def page_of(rows: Sequence[Any], limit: int, position: Callable[[Any], Position]) -> Page:
    """Return a page of at most `limit + 1` rows; the extra one only shows that there are more."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))
