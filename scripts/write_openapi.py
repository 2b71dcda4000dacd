"""Write openapi.json, which the API serves: the operations as their views declare them."""

import json
import re
from collections.abc import Collection
from typing import Any

from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin, OpenAPIConverter
from flask import Flask
from flask_smorest import Api as SmorestApi
from marshmallow import fields

from billor import RESOURCES
from billor.api import idempotency
from billor.api.blueprint import IdConverter
from billor.api.fields import Day, Id, Phone, ShownPhone, Timestamp, WireSchema, about, wire_name
from billor.api.problems import CONTENT_TYPE, title_of
from billor.auth.access import PUBLIC_ENDPOINTS, roles_of
from billor.config import API_VERSION
from billor.errors import BY_STATUS, CODES, THINGS
from billor.events.event import WORK_TYPES
from billor.models import Role
from scripts.launcher.launcher import PROJECT
from scripts.payloads import SCHEMAS, Document, add_events, component_name, webhook

SHARED = (Day, Id, Phone, ShownPhone, Timestamp)
"""Fields that are components, because many schemas have them."""

DESCRIPTION = """\
Drivers, loads, and which driver moves which load. **A driver has at most one active load.**

- Log in with `POST /auth/login`, and send the token as `Authorization: Bearer …`. Operations that
  are not for every role list theirs; other users get `role_missing`.
- A program sends an API key from `POST /api-keys` instead, but not to `/auth`, `/me`, `/users` and
  `/api-keys`. `RateLimit` has how many requests it has left.
- Lists come in pages; the next one is in the `Link` header, `rel="next"` (RFC 8288). For tools that
  cannot read headers, `Accept: application/json;envelope=1` makes a list
  `{"items": […], "next": "https://…"}`; `next` is null on the last page.
- Errors are `application/problem+json` (RFC 9457) with a stable `code`; `type` explains it.
- An `Idempotency-Key` makes a retry of a write safe, for 24 hours.
- `ETag`, `If-None-Match` and `If-Match` work as in RFC 9110.
- Times are RFC 3339 in UTC. Every response has an `X-Request-ID`: yours if you send one.
"""


def _header(description: str, **schema: Any) -> Document:
    return {"description": description, "schema": {"type": "string"} | schema}


HEADERS = {
    "Location": _header("The URL of the new row.", format="uri-reference"),
    "ETag": _header("Changes whenever the response does (RFC 9110, section 8.8.3)."),
    "Link": _header('The next page, as `<url>; rel="next"` (RFC 8288); absent on the last one.'),
    "Content-Disposition": _header("The file name to save it as (RFC 6266)."),
    "Idempotency-Replayed": _header("A stored response, for the same key.", enum=["true"]),
    "WWW-Authenticate": _header("How to authenticate."),
    "Retry-After": _header("Seconds to wait before a retry.", type="integer"),
    "X-Cache": _header(
        "Whether the page came from Redis; BYPASS while Redis is unavailable.",
        enum=["HIT", "MISS", "BYPASS"],
    ),
    "X-Audit-Index": _header(
        "`stale` if the index was not updated within two seconds: the newest documents may be "
        "missing.",
        enum=["current", "stale"],
    ),
}
PROBLEM_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
PARAMETERS = {
    "Idempotency-Key": _header(
        "Makes a retry safe: the request runs once, and a retry gets the same response. Use a new "
        "UUID for each change; kept for 24 hours.",
        minLength=1,
        maxLength=255,
        pattern=r"^[!#-+\--\[\]-~]+$",
    ),
    "If-None-Match": _header(
        "The ETag of the response you have. If it still matches, the new response is a 304."
    ),
    "If-Match": _header(
        "The ETag of the response you have. If it no longer matches, nothing is changed."
    ),
    "Last-Event-ID": _header("The last `id` you received: later changes come first."),
}
# Codes that any operation may return, in its `default` response.
COMMON_CODES = [
    code
    for code, (status, _) in CODES.items()
    if status in {400, 413, 414, 415, 431, 500}
    or code in {"api_key_refused", "too_many_requests", "request_timeout"}
    or code in {"database_unavailable", "database_busy"}
]
A_CODE = "driver_already_assigned"


class ProblemSchema(WireSchema):
    """RFC 9457 problem document, with Billor's `code` and, for validation, `errors`."""

    class Meta(WireSchema.Meta):
        include = {
            f"{thing}_id": fields.Integer(**about(f"The conflicting {thing}.")) for thing in THINGS
        }

    type = fields.String(required=True, metadata={"example": f"/docs/problems/{A_CODE}"})
    title = fields.String(required=True, metadata={"example": "Conflict"})
    status = fields.Integer(required=True, metadata={"example": 409})
    detail = fields.String(required=True, **about("What is wrong, and what to do."))
    code = fields.String(required=True, **about("Stable and machine-readable.", example=A_CODE))
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        **about("For `validation_failed`: field → messages."),
    )
    can_plan = fields.Boolean(**about(f"For `{A_CODE}`: whether `plan` would work."))
    paper = fields.String(**about("For `driver_papers_expired`: which one."))
    expired_on = Day(**about("For `driver_papers_expired`: its last valid day."))


class Converter(OpenAPIConverter):
    """Turns enums and `SHARED` into components."""

    def field2property(self, field: fields.Field) -> Document:
        value = super().field2property(field)
        value.pop("readOnly", None)  # requests and responses have separate schemas
        if isinstance(field, fields.Enum):
            name, own = field.enum.__name__, {"description", "example"}
        elif type(field) in SHARED and "example" in value:
            name, own = type(field).__name__, {"description"}
        else:
            return value
        name += "" if isinstance(value["type"], str) else "OrNull"
        here = {key: value.pop(key) for key in [*value] if key in own}
        if name not in self.spec.components.schemas:
            self.spec.components.schema(name, value)
        return here | {"$ref": SCHEMAS + name}


class SchemaPlugin(MarshmallowPlugin):
    Converter = Converter


class Contract(BasePlugin):
    """Completes operations with their common parameters, headers and errors.

    It replaces `x-problems` and `x-if-match`, which views set.
    """

    def init_spec(self, spec: APISpec) -> None:
        self._components = spec.components
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or API key"}
        spec.components.security_scheme("bearer", bearer)
        spec.components.schema("Problem", schema=ProblemSchema)
        for name, header in HEADERS.items():
            spec.components.header(name, header)
        for name, parameter in PARAMETERS.items():
            spec.components.parameter(name, "header", {"name": name} | parameter)
        not_modified = {"description": "Your copy is current.", "headers": {"ETag": "ETag"}}
        spec.components.response("NotModified", not_modified)
        spec.components.response("AnyOther", _problem_response("Any other error", COMMON_CODES))

    def operation_helper(self, path=None, operations=None, **kwargs) -> None:
        for method, operation in operations.items():
            operation["operationId"] = wire_name(kwargs["rule"].endpoint.partition(".")[2])
            codes = set(operation.pop("x-problems", ()))
            codes |= self._codes_of_access(operation, kwargs["rule"].endpoint)
            codes |= {f"{name}_not_found" for name in re.findall(r"{(\w+)_id}[^{]*$", path)}
            if "requestBody" in operation or "parameters" in operation:
                codes.add("validation_failed")
            takes_key = idempotency.takes_key(method.upper(), kwargs["rule"].endpoint)
            codes |= _codes_of_conditions(operation, method, takes_key)
            self._add_problems(operation, codes)

    def _codes_of_access(self, operation: Document, endpoint: str) -> set[str]:
        if endpoint in PUBLIC_ENDPOINTS:
            operation["security"] = []
            return set()
        codes = {"token_missing", "token_expired", "token_invalid"}
        roles = roles_of(endpoint)
        if set(roles) != set(Role):
            note = f"For the roles {', '.join(sorted(roles))}."
            operation["description"] = f"{operation.get('description', '')}\n\n{note}".strip()
            codes.add("role_missing")
        return codes

    def _add_problems(self, operation: Document, codes: Collection[str]) -> None:
        """Add a response for each status, also with its codes of `COMMON_CODES`."""
        responses = operation["responses"]
        statuses = {CODES[code].status for code in codes}
        for status in sorted(statuses):
            of_status = [each for each in BY_STATUS[status] if each in {*codes, *COMMON_CODES}]
            name = ".".join(of_status)
            if name not in self._components.responses:
                response = _problem_response(title_of(status), of_status)
                if status in PROBLEM_HEADERS:
                    _add_header(response, PROBLEM_HEADERS[status])
                self._components.response(name, response)
            responses[status] = name
        operation["responses"] = dict(sorted(responses.items())) | {"default": "AnyOther"}


def _codes_of_conditions(operation: Document, method: str, takes_key: bool) -> set[str]:
    """Document `Idempotency-Key`, `If-Match` and `ETag`, and return their codes."""
    codes = set()
    responses = operation["responses"]
    parameters = operation.setdefault("parameters", [])
    if takes_key:
        parameters.append("Idempotency-Key")
        _add_header(responses[min(responses)], "Idempotency-Replayed")
        codes |= {"idempotency_key_in_use", "idempotency_key_reused", "validation_failed"}
    if operation.pop("x-if-match", method in ("patch", "delete")):
        parameters.append("If-Match")
        codes.add("precondition_failed")
    shows_json = "application/json" in responses.get(200, {}).get("content", ())
    if shows_json and operation.get("security") != [] and method in ("get", "patch"):
        _add_header(responses[200], "ETag")
        if method == "get":
            parameters.append("If-None-Match")
            responses[304] = "NotModified"
    return codes


def _add_header(response: Document, name: str) -> None:
    response.setdefault("headers", {})[name] = name


def _problem_response(description: str, codes: Collection[str]) -> Document:
    names = ", ".join(f"`{code}`" for code in codes)
    return {
        "description": f"{description}: {names}.",
        "content": {CONTENT_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }


class Api(SmorestApi):
    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None  # each operation documents its own errors


def openapi_spec() -> APISpec:
    """Return the document of all resources and events."""
    app = Flask("billor", static_folder=None)
    app.url_map.converters["id"] = IdConverter
    api = Api(
        app,
        spec_kwargs={
            "title": "Billor",
            "version": API_VERSION,
            "openapi_version": "3.1.0",
            "info": {"description": DESCRIPTION},
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}],
            "webhooks": {type_: {"post": webhook(type_)} for type_ in WORK_TYPES},
            "marshmallow_plugin": SchemaPlugin(component_name),
            "extra_plugins": [Contract()],
        },
    )
    del api.spec.components.schemas["PaginationMetadata"]  # smorest's own, unused
    id_ = {"type": "integer", "format": "int64", "minimum": 1, "maximum": IdConverter.maximum}
    api.register_converter(IdConverter, lambda _converter: id_ | {"example": 1})
    for resource in RESOURCES:
        api.register_blueprint(resource.blueprint)
    add_events(api.spec, WORK_TYPES)
    return api.spec


def openapi_document() -> str:
    """Return it as JSON. Only what is sent must have no other properties: later versions may."""
    document = openapi_spec().to_dict()
    schemas = document["components"]["schemas"]
    items = document["paths"].values()
    parts = [
        each["requestBody"] for item in items for each in item.values() if "requestBody" in each
    ]
    sent: set[str] = set()
    while parts:
        names = set(re.findall(rf"{SCHEMAS}(\w+)", json.dumps(parts))) - sent
        parts = [schemas[name] for name in names]
        sent |= names
    for name in schemas.keys() - sent:
        schemas[name].pop("additionalProperties", None)
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    (PROJECT / "openapi.json").write_text(openapi_document())
