"""Middleware of every request: request id, log line, trusted hosts, and security headers."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, current_app, g, request
from flask_cors import CORS

from billor.config import Config
from billor.context import current_user, request_id
from billor.errors import UntrustedHost
from billor.http.proxies import believe_proxies, notice_proxies

logger = logging.getLogger(__name__)

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

# Headers that scripts of other origins may read, if they may call us at all.
EXPOSED_HEADERS = [
    "Accept-Encoding",
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Audit-Index",
    "X-Cache",
    "X-Request-ID",
]


def init_middleware(app: Flask, config: Config) -> None:
    """Install the middleware. Only as many proxies as configured are trusted."""
    wsgi_app = believe_proxies(app.wsgi_app, config.trusted_proxies)
    wsgi_app = _with_security_headers(_whole_bodies_only(wsgi_app))
    app.wsgi_app = wsgi_app  # type: ignore[assignment, method-assign]
    if config.cors_origins:
        CORS(app, origins=config.cors_origins, expose_headers=EXPOSED_HEADERS)
    app.before_request(_begin)
    if not config.trusted_proxies:
        app.before_request(notice_proxies)
    app.after_request(_end)
    app.teardown_request(_reset_context)


def _whole_bodies_only(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Make a body that ends before its Content-Length raise `ClientDisconnected`.

    Werkzeug skips this check if the server claims to mark the end of bodies, as gunicorn does.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH"):
            environ.pop("wsgi.input_terminated", None)
        return wsgi_app(environ, start_response)

    return run


def _with_security_headers(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Add these headers unless the app has set them, once and not one by one for each response."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error) -> Callable:
            given = {name for name, _ in headers}
            more = [header for header in SECURITY_HEADERS.items() if header[0] not in given]
            return start_response(status, headers + more, *error)

        return wsgi_app(environ, start)

    return run


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.started = time.perf_counter()
    request_id.set(given if SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4()))
    # Against DNS rebinding: another site can resolve its own name to a local address. Health checks
    # are exempt: supervisors and load balancers may use any address.
    trusted = current_app.config["BILLOR"].trusted_hosts
    if trusted and request.blueprint != "health" and not _is_one_of(request.host, trusted):
        raise UntrustedHost("untrusted_host")


def _is_one_of(host: str, names: Iterable[str]) -> bool:
    """Return whether a host is one of the names; a leading dot includes subdomains.

    Like Werkzeug's `host_is_trusted`, which does not support IPv6 addresses.
    """
    asked = f".{re.sub(':[0-9]*$', '', host)}".lower()
    return any(
        asked.endswith(name) if name[0] == "." else asked == f".{name}"
        for name in map(str.lower, names)
    )


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id.get()
    milliseconds = (time.perf_counter() - g.started) * 1000
    logger.info(
        "%s %s %s %.1f ms",
        request.method,
        quote(request.path),  # may contain spaces
        response.status_code,
        milliseconds,
    )
    return response


def _reset_context(_error) -> None:
    request_id.set(None)
    current_user.set(None)
