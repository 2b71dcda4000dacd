"""Pages of GET /loads, cached in Redis as rendered text and served without serialisation."""

from collections.abc import Callable
from functools import lru_cache, wraps
from operator import itemgetter
from urllib.parse import parse_qsl, urlencode

from flask import Response, json, request
from marshmallow import Schema

from billor.cache.pages import load_pages
from billor.http.conditional import etag_of
from billor.http.pagination import link_header, next_target
from billor.keyset import Page


def cached_page(schema: Schema) -> Callable:
    """Serve a list view, which returns a `Page`, from `load_pages`.

    Wraps the validation of query parameters: cached queries have passed it.
    """

    def decorate(view: Callable[..., Page]) -> Callable[..., Response]:
        @wraps(view)
        def serve(*args, **kwargs) -> Response:
            lookup = load_pages.read(_normalised(request.query_string.decode()))
            text = lookup.text
            if text is None:
                text = _render(view(*args, **kwargs), schema)
                load_pages.store(lookup, text)
            etag, next_page, body = text.split("\n", 2)
            response = Response(body, content_type="application/json")
            response.set_etag(etag)
            response.headers.update(link_header(next_page))
            response.headers["X-Cache"] = lookup.status.value
            return response

        return serve

    return decorate


def _render(page: Page, schema: Schema) -> str:
    """Return the page's ETag, the target of the next page or nothing, and the body, on lines."""
    next_page = next_target(page)
    body = json.dumps(schema.dump(page.items))
    return f"{etag_of(body.encode(), next_page)}\n{next_page}\n{body}"


@lru_cache(maxsize=200)
def _normalised(query: str) -> str:
    """Return a query string, read as Werkzeug does, sorted by name.

    Repeated parameters keep their order.
    """
    parameters = parse_qsl(query, keep_blank_values=True, errors="werkzeug.url_quote")
    return urlencode(sorted(parameters, key=itemgetter(0)))
