"""Renders all errors, as RFC 9457 `application/problem+json`. Only this module does."""

import logging
from http import HTTPStatus
from typing import NamedTuple, cast

from flask import Flask, Response, json
from gunicorn.http.errors import ParseException
from marshmallow import fields
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ClientDisconnected, HTTPException

from billor.database import from_database_error, without_values
from billor.deadlines import DeadlineExceeded
from billor.errors import (
    AuthenticationFailed,
    BillorError,
    Conflict,
    Forbidden,
    Incomplete,
    InProgress,
    Invalid,
    NotFound,
    NothingAssigned,
    PreconditionFailed,
    Refused,
    TooManyAttempts,
    Unavailable,
    Unsupported,
    UnsupportedCoding,
    UntrustedHost,
)
from billor.http.fields import WireSchema

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
STATUS_OF: dict[type[BillorError], int] = {
    Incomplete: 400,
    UntrustedHost: 400,
    AuthenticationFailed: 401,
    Forbidden: 403,
    NotFound: 404,
    NothingAssigned: 404,
    Conflict: 409,
    InProgress: 409,
    PreconditionFailed: 412,
    Unsupported: 415,
    Invalid: 422,
    Refused: 422,
    TooManyAttempts: 429,
    Unavailable: 503,
}
# Errors that Flask and gunicorn raise. The code of any other status derives from its title.
HTTP_ERRORS = {
    400: ("malformed_request", "The request cannot be read. Check that its body is valid JSON."),
    404: ("not_found", "There is nothing at this address. See /docs for all there is."),
    405: ("method_not_allowed", "This address does not know the method. See the Allow header."),
    413: (
        "body_too_large",
        "The body is larger than 8 KiB for a login, 1 MiB, or 16 MiB for an import. Split it.",
    ),
    414: ("uri_too_long", "The address is too long. Leave out some of its parameters."),
    415: ("unsupported_media_type", Unsupported.CODES["unsupported_media_type"]),
    417: ("expectation_failed", "Send no Expect header other than `100-continue`."),
    422: ("validation_failed", Invalid.CODES["validation_failed"]),
    431: ("headers_too_large", "The headers are too large or too many. Leave out some of them."),
    500: (
        "internal_error",
        "Something went wrong here. Report the X-Request-ID of this answer: it leads to the cause.",
    ),
    501: ("not_implemented", "Send the body as it is, or in chunks: no other coding is known."),
}
# Titles of RFC 9110; Python's own differ between versions.
TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class CatalogueEntry(NamedTuple):
    """The status and the default detail of a `code`."""

    status: int
    detail: str


# All codes.
CATALOGUE: dict[str, CatalogueEntry] = {
    code: CatalogueEntry(status, detail) for status, (code, detail) in HTTP_ERRORS.items()
} | {
    code: CatalogueEntry(status, detail)
    for kind, status in STATUS_OF.items()
    for code, detail in kind.CODES.items()
}


def title_of(status: int) -> str:
    """Return the name of an HTTP status."""
    return TITLES.get(status) or HTTPStatus(status).phrase


class ProblemSchema(WireSchema):
    """RFC 9457 problem document, with Billor's `code` and, for validation, `errors`."""

    type = fields.String(required=True, metadata={"example": "about:blank"})
    title = fields.String(required=True, metadata={"example": "Conflict"})
    status = fields.Integer(required=True, metadata={"example": 409})
    detail = fields.String(required=True, metadata={"description": "What to do about it."})
    code = fields.String(
        required=True,
        metadata={
            "description": "Stable and machine-readable.",
            "example": "driver_already_assigned",
        },
    )
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "For `validation_failed`: field → messages."},
    )
    assignment_id = fields.Integer(
        metadata={"description": "The active assignment that is in the way, where one is."}
    )
    driver_id = fields.Integer(metadata={"description": "The driver who has the license number."})
    user_id = fields.Integer(metadata={"description": "The user who has the email address."})
    load_id = fields.Integer(metadata={"description": "The load that has the reference."})


def init_problems(app: Flask) -> None:
    """Render every error of the app as a problem document."""
    app.register_error_handler(BillorError, render_refusal)
    app.register_error_handler(HTTPException, _render_http_error)
    # Raised by gunicorn when the app reads a body with malformed chunks.
    app.register_error_handler(ParseException, lambda _error: http_problem(400))
    app.register_error_handler(
        ClientDisconnected, lambda _error: render_refusal(Incomplete("body_incomplete"))
    )
    app.register_error_handler(SQLAlchemyError, _render_database_error)
    app.register_error_handler(
        DeadlineExceeded, lambda _error: render_refusal(Unavailable("request_timeout"))
    )


def http_problem(status: int, headers=None, **extra) -> Response:
    """Return the problem document of an HTTP status."""
    title = title_of(status)
    code, detail = HTTP_ERRORS.get(status, (title.lower().replace(" ", "_"), f"{title}."))
    return _problem(status, code, detail, headers, **extra)


def _problem(status: int, code: str, detail: str, headers=None, **extra) -> Response:
    document = json.dumps(problem_document(status, code, detail) | extra)
    return Response(document, status, headers, content_type=CONTENT_TYPE)


def problem_document(status: int, code: str, detail: str) -> dict[str, str | int]:
    """Return the members of every problem document (RFC 9457)."""
    return {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "code": code,
    }


def render_refusal(error: BillorError) -> Response:
    """Return the problem document of an error of ours."""
    headers = {}
    if isinstance(error, AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, UnsupportedCoding):
        headers["Accept-Encoding"] = "identity"  # RFC 9110, section 15.5.16
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    status = next(status for kind, status in STATUS_OF.items() if isinstance(error, kind))
    return _problem(status, error.code, error.detail, headers, **error.extra)


def _render_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return cast(Response, error.get_response())
    headers = [(k, v) for k, v in error.get_headers() if k not in ("Content-Type",)]
    extra = {}
    if messages := getattr(error, "data", {}).get("messages"):
        extra["errors"] = _by_field(messages)
    return http_problem(status, headers, **extra)


def _render_database_error(error: SQLAlchemyError) -> Response:
    refusal = from_database_error(error)
    if refusal is None:
        logger.error("Unexpected database error", exc_info=without_values(error))
        return http_problem(500)
    return render_refusal(refusal)


def _by_field(messages: dict) -> dict[str, list[str]]:
    """Flatten webargs' `{location: {field: messages}}`; messages of no field go to `_schema`."""
    flat: dict[str, list[str]] = {}
    for by_field in messages.values():
        if not isinstance(by_field, dict):
            by_field = {"_schema": by_field}
        flat |= {name: messages_of(errors) for name, errors in by_field.items()}
    return flat


def messages_of(errors: str | list | dict) -> list[str]:
    """Return the messages of a field's errors, those of its items included."""
    if isinstance(errors, str):
        return [errors]
    nested = errors.values() if isinstance(errors, dict) else errors
    return list(dict.fromkeys(message for inner in nested for message in messages_of(inner)))
