"""Conditional requests (RFC 9110, section 13): ETags, 304, and 412 against lost updates."""

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request
from marshmallow import Schema

from billor.errors import PreconditionFailed

JSON = "application/json"


def init_conditional(app: Flask) -> None:
    """Add a strong ETag to JSON responses, and answer 304 to a GET whose ETag still matches."""
    app.after_request(_tag_and_compare)


def if_match(schema: Schema) -> Callable[[Any], None] | None:
    """Return a check of a row against the request's `If-Match`, or None without that header.

    The check raises `PreconditionFailed` unless the row, rendered by `schema` as its GET does, has
    one of the ETags.
    """
    if "If-Match" not in request.headers:
        return None
    wanted = request.if_match

    def check(row: Any) -> None:
        if not wanted.contains(_etag(jsonify(schema.dump(row)))):
            raise PreconditionFailed("precondition_failed")

    return check


def _etag(response: Response) -> str:
    """Hash the body and the `Link`: a page may stay the same when it gets a next page."""
    digest = hashlib.blake2b(response.get_data(), digest_size=16)
    digest.update(response.headers.get("Link", "").encode())
    return digest.hexdigest()


def _tag_and_compare(response: Response) -> Response:
    headers = response.headers
    is_tagged = (
        response.status_code == 200
        and request.method in ("GET", "HEAD", "PATCH")
        and response.mimetype == JSON
        and "no-store" not in headers.get("Cache-Control", "")
    )
    if not is_tagged:
        return response
    etag = _etag(response)
    headers["ETag"] = f'"{etag}"'
    if request.method != "PATCH":
        headers.setdefault("Cache-Control", "private, no-cache")  # revalidate before use
        headers.add("Vary", "Authorization")
        if "If-None-Match" in request.headers and request.if_none_match.contains_weak(etag):
            response.status_code = 304  # sent without a body
    return response
