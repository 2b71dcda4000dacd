"""The outer layers of every request: its id and log line, security headers, proxies, CORS."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, request
from flask_cors import CORS
from uuid_utils import uuid4
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wsgi import get_path_info

from billor.api.fields import MAX_NAME_LENGTH
from billor.api.responses import answer_not_modified
from billor.errors import BillorError
from billor.observe import context
from billor.observe.logs import printable
from billor.observe.metrics import request_answered

logger = logging.getLogger(__name__)

LINE = "%(method)s %(path)s %(status)d %(duration_ms).1f ms"
VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
PLAIN_ENCODINGS = {
    "Content-Encoding": ("", "identity"),
    "Transfer-Encoding": ("", "identity", "chunked"),
}
# Response headers that scripts of CORS_ORIGINS may read.
EXPOSED_HEADERS = [
    *("Content-Disposition", "ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit"),
    *("RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Audit-Index", "X-Cache"),
    "X-Request-ID",
]


def with_middleware(wsgi_app: WSGIApplication, app: Flask) -> WSGIApplication:
    """Return the application inside its middleware, the innermost first."""
    wsgi_app = answer_not_modified(wsgi_app)
    if app.config["TRUSTED_HOSTS"]:
        wsgi_app = _with_accepted_host(wsgi_app, app)
    if count := app.config["BILLOR"].trusted_proxies:
        wsgi_app = ProxyFix(wsgi_app, count, count, count, count, count)
    return _identified(wsgi_app)


def init_cors(app: Flask) -> None:
    if origins := app.config["BILLOR"].cors_origins:
        CORS(app, origins=list(origins), expose_headers=EXPOSED_HEADERS)


def note_route() -> None:
    """Set `context.current_route`, for the log line of a rejected request too."""
    if request.url_rule is not None:
        context.current_route.set(request.url_rule.rule)


def refuse_encoded_body() -> None:
    """Refuse a compressed body. gunicorn decodes chunks, but nothing else."""
    for header, plain in PLAIN_ENCODINGS.items():
        for encoding in request.headers.get(header, "").split(","):
            if encoding.strip().lower() not in plain:
                name = printable(encoding.strip()[:MAX_NAME_LENGTH])
                detail = f"The body has the {header} {name}. Send it without one."
                raise BillorError("unsupported_media_type", detail)


def _identified(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Log each request with an id, and add this id and the security headers to the response."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        if environ.get("CONTENT_LENGTH"):  # or Werkzeug accepts a body that ended early
            environ.pop("wsgi.input_terminated", None)
        given = environ.get("HTTP_X_REQUEST_ID", "")
        id_ = given if VALID_REQUEST_ID.fullmatch(given) else str(uuid4())
        context.request_id.set(id_)
        if "HTTP_TRACEPARENT" in environ:
            context.traceparent.set(context.read_traceparent(environ["HTTP_TRACEPARENT"]))

        def start(status: str, headers: list[tuple[str, str]], *error) -> Callable:
            names = {name for name, _ in headers}
            missing = [item for item in SECURITY_HEADERS.items() if item[0] not in names]
            seconds = time.perf_counter() - started
            method, route = environ["REQUEST_METHOD"], context.current_route.get()
            path = quote(get_path_info(environ))  # may contain spaces
            path = re.sub(r"bil_\w+", "bil_…", path)  # an API key by mistake
            answered = {"method": method, "route": route, "path": path, "status": int(status[:3])}
            logger.info(LINE, answered | {"duration_ms": seconds * 1000})
            request_answered(route, method, status[:3], seconds)
            more = [*missing, *context.rate_limit.get(), ("X-Request-ID", id_)]
            return start_response(status, [*headers, *more], *error)

        try:
            return wsgi_app(environ, start)
        finally:
            context.request_id.set(None)
            context.current_route.set(None)
            context.traceparent.set(None)
            context.current_user.set(None)
            context.rate_limit.set(())

    return run


def _with_accepted_host(wsgi_app: WSGIApplication, app: Flask) -> WSGIApplication:
    """Change a Host that Werkzeug would not trust: load balancers check health by any address."""
    rules = app.url_map.iter_rules()
    paths = {rule.rule for rule in rules if rule.endpoint.startswith("health.")}

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        if environ["PATH_INFO"] in paths:
            environ["HTTP_HOST"] = app.config["TRUSTED_HOSTS"][0].lstrip(".")
        elif host.startswith("[::1]"):  # Werkzeug cannot trust IPv6 addresses
            environ["HTTP_HOST"] = host.replace("[::1]", "localhost")
        return wsgi_app(environ, start_response)

    return run
