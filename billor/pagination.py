"""Keyset paging: the next page is behind a cursor in a `Link` header (RFC 8288)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import ValidationError, fields
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.datastructures import MultiDict

from billor.extensions import db
from billor.schemas import DEFAULT_LIMIT, MAX_LIMIT, Id, QueryInteger, WireSchema, wire_time

Position = tuple[Any, ...]
"""A row's place in the order of its list: its values in the columns that make the order."""


@dataclass(frozen=True)
class Page:
    """Some items, and the position after which the next page starts; None on the last one."""

    items: Sequence[Any]
    next_position: Position | None = None


class Cursor(fields.String):
    """A `Position` in a list, signed, so that a damaged or invented one is refused."""

    def __init__(self, *parts: fields.Field):
        """`parts` are what the position consists of."""
        description = "Where to go on, from the Link header of the page before."
        super().__init__(metadata={"description": description})
        self._position = fields.Tuple(parts)

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return self._position.deserialize(_serializer().loads(value))
        except (BadData, ValidationError) as error:  # the latter: of an earlier version
            raise ValidationError("Not a cursor from a Link header of this list.") from error


class PageQuery(WireSchema):
    """The query parameters every list has. Subclasses add filters, and their own cursor if the
    list is not in the order of ids."""

    limit = QueryInteger(
        maximum=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata={"description": "How many items at most."},
    )
    cursor = Cursor(Id())


def paginate(
    query: Select,
    order: Sequence[InstrumentedAttribute],
    cursor: Position | None,
    limit: int,
    *,
    newest_first: bool = True,
) -> Page:
    """Run `query` in the `order` of these columns, `limit` rows after the `cursor`."""
    if cursor is not None:
        place = tuple_(*order)
        query = query.where(place < cursor if newest_first else place > cursor)
    columns = [column.desc() for column in order] if newest_first else order
    rows = db.session.scalars(query.order_by(*columns).limit(limit + 1)).all()
    return page_of(rows, limit, lambda row: tuple(getattr(row, c.key) for c in order))


def page_of(rows: Sequence[Any], limit: int, position: Callable[[Any], Position]) -> Page:
    """Make a page of at most `limit + 1` rows; the one too many only tells that there are more."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))


def encode_cursor(position: Position) -> str:
    """The opaque text for a page's `next_position`."""
    return _serializer().dumps([_wire_value(part) for part in position])


def _wire_value(part: Any) -> Any:
    match part:
        case datetime():
            return wire_time(part)
        case UUID():
            return str(part)
        case _:
            return part


def link_header(cursor: str | None) -> dict[str, str]:
    """The `Link` header to the page after this request's, or none."""
    if cursor is None:
        return {}
    query = MultiDict(request.args)
    query["cursor"] = cursor
    target = f"{request.scheme}://{request.host}{request.path}"
    return {"Link": f'<{target}?{urlencode(list(query.items(multi=True)))}>; rel="next"'}


def page_headers(page: Page) -> dict[str, str]:
    """The headers of a list's answer."""
    return link_header(page.next_position and encode_cursor(page.next_position))


def _serializer() -> URLSafeSerializer:
    # A cursor of one list means nothing in another.
    return URLSafeSerializer(current_app.config["JWT_SECRET_KEY"], salt=f"cursor:{request.path}")
