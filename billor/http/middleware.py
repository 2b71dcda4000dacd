"""What every request needs, as WSGI middleware around Flask and the page cache.

That is a request id, a trace, a log line, security headers, trusted hosts and CORS.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, request
from flask_cors.core import get_cors_headers, get_cors_options
from uuid_utils import uuid4
from werkzeug.datastructures import EnvironHeaders
from werkzeug.wsgi import get_host, get_path_info

from billor.config import Config
from billor.context import current_route, current_user, request_id, traceparent
from billor.errors import BillorError
from billor.http.conditional import answer_not_modified
from billor.http.problems import render_refusal
from billor.http.proxies import believe_proxies
from billor.metrics import request_answered
from billor.traces import read_traceparent

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

Headers = list[tuple[str, str]]


def with_middleware(wsgi_app: WSGIApplication, app: Flask, config: Config) -> WSGIApplication:
    """Return the application inside its middleware, the innermost first."""
    wsgi_app = answer_not_modified(wsgi_app)
    if config.trusted_hosts:
        wsgi_app = _only_for_hosts(wsgi_app, app, config.trusted_hosts)
    if config.cors_origins:
        wsgi_app = _with_cors(wsgi_app, app, config.cors_origins)
    wsgi_app = believe_proxies(wsgi_app, config.trusted_proxies)
    wsgi_app = _whole_bodies_only(wsgi_app)
    return _identified(wsgi_app)


def init_routes(app: Flask) -> None:
    """Note the route of each request, before anything may refuse it."""
    app.before_request(_note_route)


def _note_route() -> None:
    if request.url_rule is not None:
        current_route.set(request.url_rule.rule)


def _identified(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Give each request an id and a log line, and each answer the id and the security headers.

    A security header that the app has set stays.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        id_ = given if SANE_REQUEST_ID.fullmatch(given) else str(uuid4())
        request_id.set(id_)
        if "HTTP_TRACEPARENT" in environ:
            traceparent.set(read_traceparent(environ["HTTP_TRACEPARENT"]))

        def start(status: str, headers: Headers, *error) -> Callable:
            names = {name for name, _ in headers}
            more = [header for header in SECURITY_HEADERS.items() if header[0] not in names]
            seconds = time.perf_counter() - started
            _log(environ, status, seconds)
            request_answered(current_route.get(), environ["REQUEST_METHOD"], status[:3], seconds)
            return start_response(status, [*headers, *more, ("X-Request-ID", id_)], *error)

        try:
            return wsgi_app(environ, start)
        finally:
            request_id.set(None)
            current_route.set(None)
            traceparent.set(None)
            current_user.set(None)

    return run


class _Answered(NamedTuple):
    """The message of a request's log line."""

    method: str
    route: str | None
    path: str
    status: int
    duration_ms: float

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status} {self.duration_ms:.1f} ms"


def _log(environ: WSGIEnvironment, status: str, seconds: float) -> None:
    path = quote("/" + get_path_info(environ).lstrip("/"))  # may contain spaces
    method, route = environ["REQUEST_METHOD"], current_route.get()
    logger.info(_Answered(method, route, path, int(status[:3]), seconds * 1000))


def _whole_bodies_only(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Make a body that ends before its Content-Length raise `ClientDisconnected`.

    Werkzeug skips this check if the server claims to mark the end of bodies, as gunicorn does.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH"):
            environ.pop("wsgi.input_terminated", None)
        return wsgi_app(environ, start_response)

    return run


def _with_cors(wsgi_app: WSGIApplication, app: Flask, origins: Sequence[str]) -> WSGIApplication:
    """Let scripts of these origins call the API. The headers are those of Flask-CORS."""
    options = get_cors_options(app, {"origins": origins, "expose_headers": EXPOSED_HEADERS})

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: Headers, *error) -> Callable:
            method = environ["REQUEST_METHOD"]
            more = get_cors_headers(options, EnvironHeaders(environ), method).items()
            return start_response(status, [*headers, *((k, str(v)) for k, v in more)], *error)

        return wsgi_app(environ, start)

    return run


def _only_for_hosts(
    wsgi_app: WSGIApplication, app: Flask, trusted: Sequence[str]
) -> WSGIApplication:
    """Refuse other hosts, against DNS rebinding: another site can resolve its name to our address.

    Health checks are exempt: supervisors and load balancers may use any address.
    """
    rules = app.url_map.iter_rules()
    health_checks = {rule.rule for rule in rules if rule.endpoint.startswith("health.")}

    @lru_cache(maxsize=100)
    def is_trusted(host: str) -> bool:
        return _is_one_of(host, trusted)

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in health_checks or is_trusted(get_host(environ)):
            return wsgi_app(environ, start_response)
        return render_refusal(BillorError("untrusted_host"))(environ, start_response)

    return run


def _is_one_of(host: str, names: Iterable[str]) -> bool:
    """Return whether a host is one of the names; a leading dot includes subdomains.

    Like Werkzeug's `host_is_trusted`, which does not support IPv6 addresses.
    """
    asked = f".{re.sub(':[0-9]*$', '', host)}".lower()
    return any(
        asked.endswith(name) if name[0] == "." else asked == f".{name}"
        for name in map(str.lower, names)
    )
