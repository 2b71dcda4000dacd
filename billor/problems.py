"""The one place that renders errors: RFC 9457 `application/problem+json`, whatever went wrong."""

import logging
from http import HTTPStatus

from flask import Flask, Response, json
from gunicorn.http.errors import ParseException
from marshmallow import fields
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from billor.database import describe_database_error, from_database_error
from billor.errors import (
    AuthenticationFailed,
    BillorError,
    Conflict,
    NotFound,
    TooManyAttempts,
    Unavailable,
)
from billor.schemas import WireSchema

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
STATUS_OF = {
    AuthenticationFailed: HTTPStatus.UNAUTHORIZED,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# Errors that Flask and webargs raise themselves. A status that is not here is named by its phrase.
CODES_AND_DETAILS = {
    400: ("malformed_request", "The request cannot be read. Is its body valid JSON?"),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know the method. See the Allow header."),
    413: ("body_too_large", "The body is larger than 1 MiB."),
    414: ("uri_too_long", "The address is too long."),
    415: ("unsupported_media_type", "Send JSON, with `Content-Type: application/json`."),
    422: ("validation_failed", "Some fields are not acceptable. See `errors`."),
    431: ("headers_too_large", "The headers are too large or too many."),
    500: ("internal_error", "Something went wrong here. The request id leads us to the cause."),
}


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


def init_problems(app: Flask) -> None:
    """Have every error of the app answered as a problem document."""
    app.register_error_handler(BillorError, _render_refusal)
    app.register_error_handler(HTTPException, _render_http_error)
    # Raised by the server while the app reads a body, if its chunks are wrong.
    app.register_error_handler(ParseException, lambda _error: http_problem(400))
    app.register_error_handler(SQLAlchemyError, _render_database_error)


def http_problem(status: int, headers=None, **extra) -> Response:
    """The problem document of an HTTP status that says all there is to say."""
    phrase = HTTPStatus(status).phrase
    code, detail = CODES_AND_DETAILS.get(status, (phrase.lower().replace(" ", "_"), f"{phrase}."))
    return _problem(status, code, detail, headers, **extra)


def _problem(status: int, code: str, detail: str, headers=None, **extra) -> Response:
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **extra,
    }
    return Response(json.dumps(document), status, headers, content_type=CONTENT_TYPE)


def _render_refusal(error: BillorError) -> Response:
    headers = {}
    if isinstance(error, AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, TooManyAttempts):
        headers["Retry-After"] = error.retry_after
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = 1
    return _problem(STATUS_OF[type(error)], error.code, error.detail, headers, **error.extra)


def _render_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()
    headers = [(k, v) for k, v in error.get_headers() if k not in ("Content-Type",)]
    extra = {}
    if messages := getattr(error, "data", {}).get("messages"):
        extra["errors"] = _by_field(messages)
    return http_problem(status, headers, **extra)


def _render_database_error(error: SQLAlchemyError) -> Response:
    refusal = from_database_error(error)
    if refusal is None:
        logger.error("Unexpected database error: %s", describe_database_error(error))
        return http_problem(500)
    return _render_refusal(refusal)


def _by_field(messages: dict) -> dict[str, list[str]]:
    """Flatten webargs' `{location: {field: messages}}`; what concerns no field is `_schema`'s."""
    flat = {}
    for by_field in messages.values():
        if not isinstance(by_field, dict):
            by_field = {"_schema": by_field}
        for name, problems in by_field.items():
            flat[name] = [problems] if isinstance(problems, str) else list(problems)
    return flat
