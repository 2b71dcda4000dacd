"""Around every request: its id, its line in the log, and the headers that every answer has."""

import logging
import re
import time
import uuid
from urllib.parse import quote

from flask import Flask, Response, g, request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from billor.config import Config
from billor.context import actor, request_id

logger = logging.getLogger(__name__)

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

EXPOSED_HEADERS = [
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "X-Cache",
    "X-Request-ID",
]
"""What scripts of other origins may read, where they may call us at all."""


def init_middleware(app: Flask, config: Config) -> None:
    """Install what surrounds every request. Only as many proxies as configured are believed."""
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
    if config.cors_origins:
        CORS(app, origins=config.cors_origins, expose_headers=EXPOSED_HEADERS)
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.started = time.perf_counter()
    request_id.set(given if SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4()))


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id.get()
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    milliseconds = (time.perf_counter() - g.started) * 1000
    logger.info(
        "%s %s %s %.1f ms",
        request.method,
        quote(request.path),  # which may hold line breaks
        response.status_code,
        milliseconds,
    )
    return response


def _forget(_error) -> None:
    request_id.set(None)
    actor.set(None)
