"""Parts of the OpenAPI document that operations share: errors, headers and parameters."""

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any

from apispec import APISpec
from marshmallow import Schema

from billor.errors import CODES
from billor.http.problems import CONTENT_TYPE, problem_document, title_of

Document = dict[str, Any]

DESCRIPTION = """\
Drivers, loads, and which driver moves which load. **A driver has at most one active load.**

- Log in with `POST /auth/login`, and send its token as `Authorization: Bearer …`. An operation that
  not every role may use says which may; other users get `role_missing`.
- Lists come in pages; the next one is in the `Link` header, `rel="next"` (RFC 8288).
- Errors are `application/problem+json` (RFC 9457) with a stable `code`.
- An `Idempotency-Key` makes it safe to send again what creates or changes something, for 24 hours.
- `ETag`, `If-None-Match` and `If-Match` work as in RFC 9110.
- Times are RFC 3339 in UTC. Every answer has an `X-Request-ID`, yours if you send one.
"""


def _header(description: str, **schema: Any) -> Document:
    return {"description": description, "schema": {"type": "string"} | schema}


LOCATION = _header("Where it is.", format="uri-reference")
ETAG = _header("Changes whenever the answer does (RFC 9110, section 8.8.3).")
FILE_NAME = _header("The name of the file to save it in (RFC 6266).")
PAGE_HEADERS = {
    "Link": _header('The next page, as `<url>; rel="next"` (RFC 8288); absent on the last one.')
}
CACHE_HEADERS = {
    "X-Cache": _header(
        "Whether the page came from Redis; BYPASS while Redis is unavailable.",
        enum=["HIT", "MISS", "BYPASS"],
    )
}
AUDIT_HEADERS = {
    "X-Audit-Index": _header(
        "Whether all recorded documents were searched; `stale` if the index was not up to date "
        "within two seconds: then the newest documents may be missing for a while.",
        enum=["current", "stale"],
    )
}
HEADERS_OF_PROBLEMS = {
    401: {"WWW-Authenticate": _header("How to authenticate.")},
    429: {"Retry-After": _header("In how many seconds to try again.", type="integer")},
    503: {"Retry-After": _header("In how many seconds to try again.", type="integer")},
}
PARAMETERS = {
    "IdempotencyKey": (
        "Idempotency-Key",
        "Makes it safe to send the request again: what it does is done once, and the answer is the "
        "same, whatever If-Match says. Best a new UUID for each change; kept for 24 hours.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!#-+\--\[\]-~]+$"},
    ),
    "IfNoneMatch": (
        "If-None-Match",
        "The ETag of the answer you have; if it is still the same, the new one is a 304.",
        {"type": "string"},
    ),
    "LastEventId": (
        "Last-Event-ID",
        "The last `id` that you have got: what has changed since comes first.",
        {"type": "string"},
    ),
    "IfMatch": (
        "If-Match",
        "The ETag of the answer you have seen; if somebody has changed it since, nothing is done.",
        {"type": "string"},
    ),
}
IDEMPOTENCY_CODES = {"idempotency_key_in_use", "idempotency_key_reused", "validation_failed"}
IF_MATCH_CODES = {"precondition_failed"}


def common_codes(
    *,
    needs_token: bool,
    needs_role: bool,
    has_body: bool,
    has_arguments: bool,
    needs_database: bool,
) -> set[str]:
    """Return the codes of errors that any operation of this kind may answer with."""
    codes = {"internal_error", "headers_too_large"}
    if needs_token:
        codes |= {"token_missing", "token_expired", "token_invalid"}
    if needs_role:
        codes |= {"role_missing"}
    if has_body:
        codes |= {
            "malformed_request",
            "body_incomplete",
            "body_too_large",
            "unsupported_media_type",
        }
    if has_arguments:
        codes |= {"validation_failed"}
    if has_arguments and not has_body:
        codes |= {"uri_too_long"}
    if needs_database:  # which all but the health checks do
        codes |= {"untrusted_host", "database_unavailable", "database_busy", "request_timeout"}
    return codes


COMMON_RESPONSES = {
    code
    for has_body in (True, False)
    for code in common_codes(
        needs_token=True,
        needs_role=True,
        has_body=has_body,
        has_arguments=True,
        needs_database=True,
    )
}


def add_components(spec: APISpec, problem_schema: type[Schema]) -> None:
    """Add the components that operations refer to."""
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    for component, (name, description, schema) in PARAMETERS.items():
        parameter = {"name": name, "description": description, "schema": schema}
        spec.components.parameter(component, "header", parameter)
    spec.components.schema("Problem", schema=problem_schema)
    for status, codes in _by_status(COMMON_RESPONSES):
        spec.components.response(_component_name(status), _problem_response(status, codes))


def add_problems(operation: Document, codes: Collection[str]) -> None:
    """Document that the operation may answer with these errors."""
    common = dict(_by_status(COMMON_RESPONSES))
    for status, of_status in _by_status(codes):
        is_common = common.get(status) == of_status
        operation["responses"][status] = (
            _component_name(status) if is_common else _problem_response(status, of_status)
        )
    operation["responses"] = dict(sorted(operation["responses"].items()))


def add_roles(docstring: dict[str, str], roles: Iterable[str]) -> None:
    """Say in an operation's description which roles may use it."""
    said = f"For the roles {', '.join(sorted(roles))}."
    docstring["description"] = f"{docstring.get('description', '')}\n\n{said}".strip()


def add_idempotency(operation: Document) -> None:
    """Document that the operation takes an Idempotency-Key."""
    operation.setdefault("parameters", []).append("IdempotencyKey")
    headers = operation["responses"][min(operation["responses"])].setdefault("headers", {})
    headers["Idempotency-Replayed"] = _header(
        "The answer was made before, for the same key.", enum=["true"]
    )


def add_etag(operation: Document) -> None:
    """Document that the response has an ETag, and may be a 304."""
    response = operation["responses"][200]
    if "application/json" not in response["content"]:
        return
    operation.setdefault("parameters", []).append("IfNoneMatch")
    response.setdefault("headers", {})["ETag"] = ETAG
    operation["responses"][304] = {
        "description": "You have it already.",
        "headers": {"ETag": ETAG},
    }


def add_if_match(operation: Document) -> None:
    """Document that the operation takes an If-Match."""
    operation.setdefault("parameters", []).append("IfMatch")
    if 200 in operation["responses"]:
        operation["responses"][200].setdefault("headers", {})["ETag"] = ETAG


def link_to(operation_id: str, id_name: str) -> Document:
    """Return the link from a response to the operation that shows what it created."""
    return {
        operation_id: {"operationId": operation_id, "parameters": {id_name: "$response.body#/id"}}
    }


def _by_status(codes: Collection[str]) -> Iterable[tuple[int, list[str]]]:
    in_order = [code for code in CODES if code in codes]
    in_order.sort(key=lambda code: CODES[code].status)
    return [
        (status, list(group))
        for status, group in groupby(in_order, key=lambda code: CODES[code].status)
    ]


def _component_name(status: int) -> str:
    return title_of(status).replace(" ", "")


def _problem_response(status: int, codes: Iterable[str]) -> Document:
    names = ", ".join(f"`{code}`" for code in codes)
    examples = {
        code: {"value": problem_document(status, code, CODES[code].detail)} for code in codes
    }
    response = {
        "description": f"{title_of(status)}: {names}.",
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": examples,
            }
        },
    }
    if status in HEADERS_OF_PROBLEMS:
        response["headers"] = HEADERS_OF_PROBLEMS[status]
    return response
