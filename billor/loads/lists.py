"""Lists of loads: which, and in which order."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from billor.keyset import (
    Page,
    Paths,
    Position,
    one_for_each_status,
    paginate,
    paginate_matching,
    with_any_status,
)
from billor.loads.references import REFERENCE
from billor.models import NEVER, Assignment, Load, LoadStatus
from billor.search import has_words

Conditions = list[ColumnElement[bool]]


class LoadFilters:
    """Which loads to list; None matches all.

    Places and cargo types match in upper or lower case alike, and `created_to` and `pickup_to` are
    not in their ranges. `q` has words, each of which begins one of a load's texts.
    """

    def __init__(
        self,
        status: Collection[str] = (),
        q: str | None = None,
        reference: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        pickup_from: datetime | None = None,
        pickup_to: datetime | None = None,
        origin: str | None = None,
        destination: str | None = None,
        cargo_type: str | None = None,
    ):
        self.statuses = status or LoadStatus
        self.words = q
        self.reference = reference
        self.created = created_from, created_to
        self.pickup = pickup_from, pickup_to
        if pickup_from is not None and pickup_to is None:
            self.pickup = pickup_from, NEVER  # which is not in the range
        self.places = {
            Load.origin: origin,
            Load.destination: destination,
            Load.cargo_type: cargo_type,
        }


def list_loads(
    limit: int,
    cursor: Position | None = None,
    sort: str | None = None,
    expand: Collection[str] = (),
    **filters: Any,
) -> Page:
    """Return a page of loads, newest first; `filters` are those of `LoadFilters`.

    With the `sort` `pickupAt` it is the soonest pickup first, and loads without one last. `expand`
    may be `assignment`: the active one, with its driver, or None.
    """
    wanted = LoadFilters(**filters)
    related = [[Load.assignment, Assignment.driver]] if expand else []
    page = _by_pickup if sort else _by_creation
    return page(wanted, limit, cursor, related)


def _by_creation(wanted: LoadFilters, limit: int, cursor: Position | None, related: Paths) -> Page:
    query = _base(wanted)
    start, end = wanted.created
    if start is not None:
        query = query.where(Load.created_at >= start)
    # Of two ends of a range PostgreSQL would use one, and read past all rows between them.
    if end is not None and (cursor is None or end <= cursor[0]):
        query, cursor = query.where(Load.created_at < end), None
    order = [Load.created_at, Load.id]
    ranges = one_for_each_status(query, wanted.statuses, Load.status, wanted.places, func.lower)

    def others(row: Any) -> Conditions:
        return _within(row.pickup_or_never, *wanted.pickup) + _words(wanted, row)

    if not others(Load):
        return paginate(ranges, order, cursor, limit, related=related)
    otherwise = _by_any_index(wanted)
    return paginate_matching(ranges, order, cursor, limit, others, otherwise, related=related)


def _by_pickup(wanted: LoadFilters, limit: int, cursor: Position | None, related: Paths) -> Page:
    query = _base(wanted)
    start, end = wanted.pickup
    if end is not None:
        query = query.where(Load.pickup_or_never < end)
    if start is not None and (cursor is None or start > cursor[0]):
        query, cursor = query.where(Load.pickup_or_never >= start), None
    order = [Load.pickup_or_never, Load.id]
    ranges = one_for_each_status(query, wanted.statuses, Load.status, {}, func.lower)

    def others(row: Any) -> Conditions:
        return [
            *(
                func.lower(getattr(row, column.key)) == func.lower(value)
                for column, value in wanted.places.items()
                if value is not None
            ),
            *_within(row.created_at, *wanted.created),
            *_words(wanted, row),
        ]

    if not others(Load):
        return paginate(ranges, order, cursor, limit, newest_first=False, related=related)
    return paginate_matching(
        *(ranges, order, cursor, limit, others, _by_any_index(wanted)),
        newest_first=False,
        related=related,
    )


def _base(wanted: LoadFilters) -> Select:
    query = select(Load)
    # So few loads have the same one that their order does not matter.
    return query if wanted.reference is None else query.where(REFERENCE.equals(wanted.reference))


def _by_any_index(wanted: LoadFilters) -> Select:
    """Return the query for all loads that are wanted, by whichever index finds the fewest."""
    query = with_any_status(
        _base(wanted), wanted.statuses, Load.status, wanted.places, func.lower
    ).where(
        *_within(Load.created_at, *wanted.created), *_within(Load.pickup_or_never, *wanted.pickup)
    )
    return query.where(*_words(wanted, Load))


def _words(wanted: LoadFilters, row: Any) -> Conditions:
    return [] if wanted.words is None else [has_words(row, wanted.words)]


def _within(time: Any, start: datetime | None, end: datetime | None) -> Conditions:
    after = [] if start is None else [time >= start]
    return after if end is None else [*after, time < end]
