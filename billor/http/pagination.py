"""Pagination over HTTP: a `Link` header (RFC 8288) with a cursor leads to the next page."""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import ValidationError, fields
from werkzeug.datastructures import MultiDict

from billor.http.fields import DEFAULT_LIMIT, MAX_LIMIT, Id, QueryInteger, WireSchema, wire_time
from billor.keyset import Page, Position


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
        except (BadData, ValidationError) as error:  # the latter: from an earlier version
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


def _wire_value(part: Any) -> Any:
    match part:
        case datetime():
            return wire_time(part)
        case UUID():
            return str(part)
        case _:
            return part


def next_target(page: Page) -> str:
    """Return the path and query of the page after this one, or nothing if it is the last."""
    if page.next_position is None:
        return ""
    query = MultiDict(request.args)
    query["cursor"] = encode_cursor(page.next_position)
    return f"{request.path}?{urlencode(list(query.items(multi=True)))}"


def link_header(target: str) -> dict[str, str]:
    """Return the `Link` header to the next page's target; none without one."""
    if not target:
        return {}
    # A relative reference if the Host header is not valid in a URL.
    origin = f"{request.scheme}://{request.host}" if request.host else ""
    prefix = quote(request.root_path)  # of a proxy, which has removed it from the path
    return {"Link": f'<{origin}{prefix}{target}>; rel="next"'}


def page_headers(page: Page) -> dict[str, str]:
    """Return the headers of a list's response."""
    return link_header(next_target(page))


def _serializer() -> URLSafeSerializer:
    # The salt makes a cursor invalid in other lists, and in another order of this one.
    order = f":{request.args['sort']}" if "sort" in request.args else ""
    salt = f"cursor:{request.path}{order}"
    return URLSafeSerializer(current_app.config["JWT_SECRET_KEY"], salt=salt)
