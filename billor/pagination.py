"""Keyset paging: newest first, the next page behind a cursor in a `Link` header (RFC 8288)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import ValidationError, fields
from sqlalchemy import ColumnElement, Select
from werkzeug.datastructures import MultiDict

from billor.extensions import db
from billor.schemas import DEFAULT_LIMIT, MAX_LIMIT, QueryInteger, WireSchema


@dataclass(frozen=True)
class Page:
    """Some items, and the position after which the next page starts; None on the last one."""

    items: Sequence[Any]
    next_position: Any = None


class Cursor(fields.Field[Any]):
    """A position in a list, signed, so that a damaged or invented one is refused."""

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return _serializer().loads(value)
        except BadData as error:
            raise ValidationError("Not a cursor from a Link header of this API.") from error


class PageQuery(WireSchema):
    """The query parameters every list has. Subclasses add filters."""

    limit = QueryInteger(
        maximum=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata={"description": "How many items at most."},
    )
    cursor = Cursor(
        load_default=None,
        metadata={"description": "Where to go on, from the Link header of the page before."},
    )


def paginate(query: Select, id_column: ColumnElement[int], cursor: int | None, limit: int) -> Page:
    """Run `query` from the newest row (the highest id) on, `limit` rows after the `cursor` id."""
    if cursor is not None:
        query = query.where(id_column < cursor)
    rows = db.session.scalars(query.order_by(id_column.desc()).limit(limit + 1)).all()
    return page_of(rows, limit, position=lambda row: row.id)


def page_of(rows: Sequence[Any], limit: int, position) -> Page:
    """Make a page of at most `limit + 1` rows; the one too many only tells that there are more."""
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], position(rows[limit - 1]))


def encode_cursor(position: Any) -> str:
    """The opaque text for a page's `next_position`."""
    return _serializer().dumps(position)


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
