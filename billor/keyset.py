"""Keyset pagination: a page starts after the position of the previous page's last row.

See https://use-the-index-luke.com/no-offset.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Load, QueryableAttribute, aliased

from billor.extensions import db
from billor.models import joined

# A row's position in the order of its list: its values in the ordering columns.
Position = tuple[Any, ...]
# The columns of a list's order, of one model.
Order = Sequence[QueryableAttribute[Any]]
# Paths of relationships that lead to one row each.
Paths = Sequence[Sequence[Any]]

WALKED_ROWS = 2000
"""How many rows of a list are looked at for those that match, before an index is asked."""


@dataclass(frozen=True)
class Page:
    """Items, and the position after which the next page starts; None on the last page."""

    items: Sequence[Any]
    next_position: Position | None = None


def paginate(
    queries: Sequence[Select],
    order: Order,
    cursor: Position | None,
    limit: int,
    *,
    newest_first: bool = True,
    related: Paths = (),
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
    queries = [_after(cursor, query, order, newest_first) for query in queries]
    query = _first_rows(queries, order, limit + 1, newest_first, related)
    return _page(db.session.scalars(query).all(), order, limit)


def paginate_matching(
    queries: Sequence[Select],
    order: Order,
    cursor: Position | None,
    limit: int,
    matches: Callable[[Any], Sequence[ColumnElement[bool]]],
    otherwise: Select,
    *,
    newest_first: bool = True,
    related: Paths = (),
) -> Page:
    """Return a page as `paginate` does, of the rows that meet conditions no such index has.

    `matches` returns the conditions on a model or an alias of it. Rows are read in order until the
    page is full, `WALKED_ROWS` at most: that is quick for conditions which many rows meet. If they
    are too few, all rows that `otherwise` finds are sorted: it has the same rows, those before the
    cursor among them, by an index of these conditions.
    """
    if not queries:
        return Page([])
    queries = [_after(cursor, query, order, newest_first) for query in queries]
    rows = _matching_in_order(queries, order, limit + 1, newest_first, matches, related)
    if rows is None:
        found = _after(cursor, otherwise, order, newest_first).cte().prefix_with("MATERIALIZED")
        row = aliased(_entity(order), found)
        columns = [getattr(row, column.key) for column in order]
        query = _sorted(select(row), columns, limit + 1, newest_first)
        rows = db.session.scalars(_with_related(query, row, related)).all()
    return _page(rows, order, limit)


def _matching_in_order(
    queries: Sequence[Select],
    order: Order,
    count: int,
    newest_first: bool,
    matches: Callable[[Any], Sequence[ColumnElement[bool]]],
    related: Paths,
) -> Sequence[Any] | None:
    """Return the first rows that match, or None if more than `WALKED_ROWS` have to be read.

    It is one statement: the row that is one too many comes with the others, as a mark.
    """
    walked = _first_rows(queries, order, WALKED_ROWS + 1, newest_first).subquery()
    # The rows are numbered in the order in which they are read.
    numbered = select(walked, func.row_number().over().label("number")).subquery()
    row, number = aliased(_entity(order), numbered), numbered.c.number
    is_mark = number > WALKED_ROWS
    query = select(row, is_mark).where(or_(is_mark, and_(*matches(row)))).limit(count)
    found = db.session.execute(_with_related(query, row, related)).all()
    return None if found and found[-1][1] else [each for each, _ in found]


def _after(cursor: Position | None, query: Select, order: Order, newest: bool) -> Select:
    if cursor is None:
        return query
    place = tuple_(*order)
    return query.where(place < cursor if newest else place > cursor)


def _page(rows: Sequence[Any], order: Order, limit: int) -> Page:
    return page_of(rows, limit, lambda row: tuple(getattr(row, column.key) for column in order))


def _entity(order: Order) -> Any:
    return order[0].class_


def _sorted(query: Select, order: Sequence[Any], count: int, newest: bool) -> Select:
    return query.order_by(*(each.desc() for each in order) if newest else order).limit(count)


def _first_rows(
    queries: Sequence[Select],
    order: Order,
    count: int,
    newest_first: bool,
    related: Paths = (),
) -> Select:
    """Return one query, and so one snapshot, for the first rows of all queries."""
    parts = [_sorted(query, order, count, newest_first) for query in queries]
    if len(parts) == 1:
        return _with_related(parts[0], _entity(order), related)
    # As columns of its own, so that PostgreSQL sees that the parts are in order, and reads of each
    # only what it shows.
    names = [f"order_{number}" for number in range(len(order))]
    columns = [column.label(name) for column, name in zip(order, names, strict=True)]
    ordered = [select(part.add_columns(*columns).subquery()) for part in parts]
    together = union_all(*ordered).subquery()
    row = aliased(_entity(order), together)
    whole = _sorted(select(row), [together.c[name] for name in names], count, newest_first)
    return _with_related(whole, row, related)


def _with_related(query: Select, row: Any, paths: Paths) -> Select:
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
    key, values = _keys(statuses, column, filters, as_text)
    return [query.where(key == value) for value in values]


def with_any_status(
    query: Select,
    statuses: Iterable[str],
    column: InstrumentedAttribute,
    filters: Mapping[InstrumentedAttribute, Any],
    as_text: Callable[[Any], ColumnElement[str]],
) -> Select:
    """Return one query for the rows of all queries of `one_for_each_status`."""
    key, values = _keys(statuses, column, filters, as_text)
    return query.where(key.in_(values))


def _keys(
    statuses: Iterable[str],
    column: InstrumentedAttribute,
    filters: Mapping[InstrumentedAttribute, Any],
    as_text: Callable[[Any], ColumnElement[str]],
) -> tuple[ColumnElement[str], list[Any]]:
    """Return the first column of the index on just these columns, and its value for each status."""
    given = {name: value for name, value in filters.items() if value is not None}
    values = [as_text(value) for value in given.values()]
    key = joined([*map(as_text, given), column])
    return key, [joined([*values, status]) for status in dict.fromkeys(statuses)]


def page_of(rows: Sequence[Any], limit: int, position: Callable[[Any], Position]) -> Page:
    """Return a page of at most `limit + 1` rows; the extra one only shows that there are more."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))
