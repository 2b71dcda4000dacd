"""Conditional requests (RFC 9110, section 13): entity tags, 304, and 412 after a lost update."""

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request
from marshmallow import Schema

from billor.errors import PreconditionFailed

JSON = "application/json"


def init_conditional(app: Flask) -> None:
    """Give every JSON answer to a GET a strong ETag, and let it be asked for anew for nothing."""
    app.after_request(_tag_and_compare)


def if_match(schema: Schema) -> Callable[[Any], None] | None:
    """Return the check of a row that the request's `If-Match` asks for, or None without one.

    It raises `PreconditionFailed` unless the row, shown by `schema` as its GET does, still has one
    of the ETags.
    """
    if "If-Match" not in request.headers:
        return None
    wanted = request.if_match

    def check(row: Any) -> None:
        if not wanted.contains(_etag(jsonify(schema.dump(row)))):
            raise PreconditionFailed("precondition_failed")

    return check


def _etag(response: Response) -> str:
    """Hash the body, and the link: a page may stay the same while another one comes after it."""
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
        headers.setdefault("Cache-Control", "private, no-cache")  # ask, then use it
        headers.add("Vary", "Authorization")
        if "If-None-Match" in request.headers and request.if_none_match.contains_weak(etag):
            response.status_code = 304  # of which no body is sent
    return response
