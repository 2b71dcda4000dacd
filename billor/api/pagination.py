"""Pagination over HTTP: the `Link` header (RFC 8288) has the next page's URL, with a cursor."""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import ValidationError, fields
from werkzeug.datastructures import MultiDict

from billor.api.fields import Id, QueryInteger, WireSchema, about, wire_time
from billor.database.keyset import Page, Position


class Cursor(fields.String):
    """A `Position` in a list, signed, so that an altered one is rejected."""

    def __init__(self, *parts: fields.Field):
        description = "From the Link header of the previous page."
        pattern = "^[A-Za-z0-9_.-]+$"
        super().__init__(**about(description, pattern=pattern))
        self._position = fields.Tuple(parts)

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return self._position.deserialize(_serializer().loads(value))
        except (BadData, ValidationError) as error:
            raise ValidationError("Not a cursor from a Link header of this list.") from error


class LimitQuery(WireSchema):
    limit = QueryInteger(maximum=200, load_default=50, **about("The maximum number of items."))


class PageQuery(LimitQuery):
    """The query parameters of every list, with a cursor for one that is sorted by id."""

    cursor = Cursor(Id())


def encode_cursor(position: Position) -> str:
    return _serializer().dumps(position)


def page_headers(page: Page) -> dict[str, str]:
    """Return the `Link` header to the next page, if there is one."""
    position = page.next_position
    return {} if position is None else link_to_next("cursor", encode_cursor(position))


def link_to_next(parameter: str, value: Any) -> dict[str, str]:
    """Return the `Link` header to this URL with another value of a parameter, or without it."""
    query = MultiDict(request.args)
    query.setlist(parameter, [str(value)] if value else [])
    # A relative URL if the Host header is not valid.
    origin = f"{request.scheme}://{request.host}" if request.host else ""
    path = quote(request.root_path) + request.path  # the root path, which the proxy has removed
    return {"Link": f'<{origin}{path}?{urlencode(list(query.items(multi=True)))}>; rel="next"'}


def _serializer() -> URLSafeSerializer:
    # The salt makes a cursor invalid for other lists, and for this list in another order.
    salt = f"cursor:{request.path}:{request.args.get('sort', '')}"
    options = {"default": lambda part: wire_time(part) if isinstance(part, datetime) else str(part)}
    key = current_app.config["JWT_SECRET_KEY"]
    return URLSafeSerializer(key, salt=salt, serializer_kwargs=options)
