"""Renders all errors, as `application/problem+json` (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import cast

from flask import Flask, Response, json
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ClientDisconnected, HTTPException, SecurityError

from billor.database import from_database_error, without_values
from billor.errors import BY_STATUS, CODES, BillorError, Unavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# Titles of RFC 9110; Python's own differ between versions.
TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


def title_of(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase


def init_problems(app: Flask) -> None:
    app.register_error_handler(BillorError, render_error)
    app.register_error_handler(HTTPException, render_http_error)
    app.register_error_handler(SQLAlchemyError, _render_database_error)
    # Raised by gunicorn when the app reads a body with malformed chunks.
    app.register_error_handler(ParseException, lambda _error: http_problem(400))
    for error, ours in {
        ClientDisconnected: BillorError("body_incomplete"),
        SecurityError: BillorError("untrusted_host"),
        TimeoutError: Unavailable("request_timeout"),
    }.items():
        app.register_error_handler(error, lambda _error, ours=ours: render_error(ours))


def http_problem(status: int, headers=None, **extra) -> Response:
    """Return the problem document of an HTTP status, with its first code."""
    title = title_of(status)
    general = {title.lower().replace(" ", "_"): f"{title}."}
    code, detail = next(iter(BY_STATUS.get(status, general).items()))
    return _problem(status, code, detail, headers, **extra)


def _problem(status: int, code: str, detail: str, headers=None, **extra) -> Response:
    document = {
        "type": f"/docs/problems/{code}" if code in CODES else "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "code": code,
    }
    body = json.dumps(document | extra)
    return Response(body, status, headers, content_type=CONTENT_TYPE)


def render_error(error: BillorError) -> Response:
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return _problem(error.status, error.code, error.detail, headers, **error.extra)


def render_http_error(error: HTTPException) -> Response:
    """Return the problem document of an error raised by Flask, Werkzeug or webargs."""
    status = error.code or 500
    if error.response is not None or status < 400:
        return cast(Response, error.get_response())
    headers = [(k, v) for k, v in error.get_headers() if k != "Content-Type"]
    extra = {}
    if messages := getattr(error, "data", {}).get("messages"):
        extra["errors"] = _by_field(messages)
    return http_problem(status, headers, **extra)


def _render_database_error(error: SQLAlchemyError) -> Response:
    known = from_database_error(error)
    if known is None:
        logger.error("Unexpected database error", exc_info=without_values(error))
        return http_problem(500)
    return render_error(known)


def _by_field(messages: dict) -> dict[str, list[str]]:
    """Flatten webargs' `{location: {field: messages}}`. `_schema` has those without a field."""
    flat: dict[str, list[str]] = {}
    for by_field in messages.values():
        if not isinstance(by_field, dict):
            by_field = {"_schema": by_field}
        flat |= {name: messages_of(errors) for name, errors in by_field.items()}
    return flat


def messages_of(errors: str | list | dict) -> list[str]:
    if isinstance(errors, str):
        return [errors]
    nested = errors.values() if isinstance(errors, dict) else errors
    return list(dict.fromkeys(message for inner in nested for message in messages_of(inner)))
