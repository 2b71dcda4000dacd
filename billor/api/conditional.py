"""Conditional requests (RFC 9110, section 13): ETags, 304, and 412 against lost updates.

What compresses responses changes their ETags: nginx makes them weak, Apache and others append the
encoding, and so do we. Both forms match here. With the strong comparison of the RFC, every
`If-Match` would fail behind such a proxy.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, jsonify, request
from marshmallow import Schema
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from billor.errors import BillorError

JSON = "application/json"
# Appended by us, Apache's mod_deflate and mod_brotli, Jetty and others.
ENCODING_SUFFIX = re.compile(r"(--?|;)(gzip|br|deflate|zstd)\Z")


def init_conditional(app: Flask) -> None:
    """Add a strong ETag to JSON responses."""
    app.after_request(_tag)


def answer_not_modified(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Respond 304 to a GET whose ETag still matches, also for pages from the cache."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if_none_match = environ.get("HTTP_IF_NONE_MATCH")
        if if_none_match is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return wsgi_app(environ, start_response)
        response = Response.from_app(wsgi_app, environ)
        etag, _ = response.get_etag()
        if response.status_code == 200 and etag and _contains(parse_etags(if_none_match), etag):
            response.status_code = 304  # sent without a body
        return response(environ, start_response)

    return run


def if_match(schema: Schema) -> Callable[[Any], None] | None:
    """Return a function that checks a row against `If-Match`, or None without that header.

    It renders the row by `schema`, as the GET does, and raises `precondition_failed` if its ETag
    does not match.
    """
    if "If-Match" not in request.headers:
        return None
    wanted = request.if_match

    def check(row: Any) -> None:
        if not _contains(wanted, etag_of(jsonify(schema.dump(row)).get_data())):
            raise BillorError("precondition_failed")

    return check


def etag_of(body: bytes, next_page: str = "") -> str:
    """Hash a body and its link to the next page, which may appear while the body stays the same."""
    return hashlib.blake2b(body + next_page.encode(), digest_size=16).hexdigest()


def _contains(etags: ETags, etag: str) -> bool:
    """Return whether `etags` contains our ETag, as we sent it or as a proxy changed it."""
    etag = ENCODING_SUFFIX.sub("", etag)
    return bool(etags.star_tag) or any(
        ENCODING_SUFFIX.sub("", tag or "") == etag  # Werkzeug has None for an empty tag
        for tag in etags.as_set(include_weak=True)
    )


def _tag(response: Response) -> Response:
    headers = response.headers
    is_tagged = (
        response.status_code == 200
        and request.method in ("GET", "HEAD", "PATCH")
        and response.mimetype == JSON
        and "no-store" not in headers.get("Cache-Control", "")
    )
    if is_tagged:
        response.set_etag(etag_of(response.get_data(), headers.get("Link", "")))
        if request.method != "PATCH":
            headers.setdefault("Cache-Control", "private, no-cache")  # revalidate before use
            headers.add("Vary", "Authorization")
    return response
