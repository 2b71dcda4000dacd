"""Pages of GET /loads, cached in Redis as rendered text and served without serialisation."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from flask import Response, json, request
from marshmallow import Schema

from billor.cache.pages import load_pages
from billor.http.pagination import encode_cursor, link_header
from billor.keyset import Page


def cached_page(schema: Schema) -> Callable:
    """Serve a list view, which returns a `Page`, from `load_pages`.

    Wraps the validation of query parameters: cached queries have passed it.
    """

    def decorate(view: Callable[..., Page]) -> Callable[..., Response]:
        @wraps(view)
        def serve(*args, **kwargs) -> Response:
            lookup = load_pages.read(_normalised_query())
            text = lookup.text
            if text is None:
                page = view(*args, **kwargs)
                cursor = encode_cursor(page.next_position) if page.next_position else ""
                text = f"{cursor}\n{json.dumps(schema.dump(page.items))}"
                load_pages.store(lookup, text)
            cursor, body = text.split("\n", 1)
            headers = {"X-Cache": lookup.status.value, **link_header(cursor or None)}
            return Response(body, headers=headers, content_type="application/json")

        return serve

    return decorate


def _normalised_query() -> str:
    """Return the query string sorted by name; repeated parameters keep their order."""
    return urlencode(sorted(request.args.items(multi=True), key=lambda item: item[0]))
