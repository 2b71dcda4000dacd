"""Pagination over HTTP: a `Link` header (RFC 8288) with a cursor leads to the next page."""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import ValidationError, fields
from werkzeug.datastructures import MultiDict

from billor.api.fields import DEFAULT_LIMIT, MAX_LIMIT, Id, QueryInteger, WireSchema, wire_time
from billor.database.keyset import Page, Position


class Cursor(fields.String):
    """A `Position` in a list, signed, so that a damaged or made-up one is refused."""

    def __init__(self, *parts: fields.Field):
        """`parts` are the fields of the position."""
        description = "Where to go on, from the Link header of the page before."
        pattern = "^[A-Za-z0-9_.-]+$"
        super().__init__(metadata={"description": description, "pattern": pattern})
        self._position = fields.Tuple(parts)

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return self._position.deserialize(_serializer().loads(value))
        except (BadData, ValidationError) as error:
            raise ValidationError("Not a cursor from a Link header of this list.") from error


class PageQuery(WireSchema):
    """The query parameters of every list.

    Subclasses add filters, and their own cursor if the list is not in the order of ids.
    """

    limit = QueryInteger(
        maximum=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata={"description": "How many items at most."},
    )
    cursor = Cursor(Id())


def encode_cursor(position: Position) -> str:
    """Return the opaque text for a page's `next_position`."""
    return _serializer().dumps([_wire_value(part) for part in position])


def _wire_value(part: Any) -> int | str:
    if isinstance(part, datetime):
        return wire_time(part)
    return part if isinstance(part, int) else str(part)


def page_headers(page: Page) -> dict[str, str]:
    """Return the headers of a list's response: the `Link` to the next page, if there is one."""
    if page.next_position is None:
        return {}
    query = MultiDict(request.args)
    query["cursor"] = encode_cursor(page.next_position)
    # A relative reference if the Host header is not valid in a URL.
    origin = f"{request.scheme}://{request.host}" if request.host else ""
    path = quote(request.root_path) + request.path  # the root is a proxy's, which has removed it
    return {"Link": f'<{origin}{path}?{urlencode(list(query.items(multi=True)))}>; rel="next"'}


def _serializer() -> URLSafeSerializer:
    # The salt makes a cursor invalid in other lists, and in another order of this one.
    salt = f"cursor:{request.path}:{request.args.get('sort', '')}"
    return URLSafeSerializer(current_app.config["JWT_SECRET_KEY"], salt=salt)
