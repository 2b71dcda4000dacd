"""Conditional requests (RFC 9110, section 13): ETags, 304, and 412 against lost updates.

Proxies that compress answers change their ETags: nginx makes them weak, Apache and others append
the coding. Both are taken for ours: compared strongly, `If-Match` would refuse all changes behind
such a proxy.
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
# As Apache's mod_deflate and mod_brotli, Jetty and others append them.
CODING_SUFFIX = re.compile(r"(--?|;)(gzip|br|deflate|zstd)\Z")


def init_conditional(app: Flask) -> None:
    """Add a strong ETag to JSON responses."""
    app.after_request(_tag)


def answer_not_modified(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Answer 304 to a GET whose ETag still matches, whoever has made the page."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_IF_NONE_MATCH")
        if given is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return wsgi_app(environ, start_response)
        response = Response.from_app(wsgi_app, environ)
        etag, _ = response.get_etag()
        if response.status_code == 200 and etag and _contains(parse_etags(given), etag):
            response.status_code = 304  # sent without a body
        return response(environ, start_response)

    return run


def if_match(schema: Schema) -> Callable[[Any], None] | None:
    """Return a check of a row against the request's `If-Match`, or None without that header.

    The check raises `precondition_failed` unless the row, rendered by `schema` as its GET does, has
    one of the ETags.
    """
    if "If-Match" not in request.headers:
        return None
    wanted = request.if_match

    def check(row: Any) -> None:
        if not _contains(wanted, etag_of(jsonify(schema.dump(row)).get_data())):
            raise BillorError("precondition_failed")

    return check


def etag_of(body: bytes, next_page: str = "") -> str:
    """Hash a body and what leads to the next page: a page may stay the same when it gets one."""
    return hashlib.blake2b(body + next_page.encode(), digest_size=16).hexdigest()


def _contains(given: ETags, etag: str) -> bool:
    """Return whether an ETag of ours is among those given, as we sent it or changed by a proxy."""
    return bool(given.star_tag) or any(
        CODING_SUFFIX.sub("", tag or "") == etag  # Werkzeug has None for an empty tag
        for tag in given.as_set(include_weak=True)
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
