"""flask-smorest, adapted to our contract: problem+json, strict bodies, bearer by default."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps

from flask import Request, url_for
from flask_smorest import Api as SmorestApi
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter

from billor.errors import Invalid, Unsupported
from billor.http import idempotency, openapi
from billor.http.fields import wire_name
from billor.http.media_types import require_utf8
from billor.http.problems import ProblemSchema
from billor.http.strict_json import DoubledField, read_json
from billor.http.uploads import refuse_coded_body
from billor.roles import Role

API_VERSION = "1.0.0"


class Parser(FlaskParser):
    """Reads requests. Schemas refuse unknown fields; a JSON body needs its Content-Type."""

    DEFAULT_UNKNOWN_BY_LOCATION = {}

    def load_json(self, req: Request, schema):
        refuse_coded_body()
        # A body without Content-Length is truncated at the limit instead of refused.
        cut_off = req.content_length is None and len(req.get_data()) == req.max_content_length
        if cut_off and req.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge
        if not req.is_json:
            raise Unsupported
        require_utf8(req)
        try:
            return read_json(req.get_data())
        except DoubledField as error:
            raise Invalid({error.name: ["Is there twice."]}) from error
        except (ValueError, RecursionError) as error:
            raise BadRequest from error


class Blueprint(SmorestBlueprint):
    """A blueprint that documents what its operations have in common.

    It derives OpenAPI ids from the names of views, and adds the errors common to all operations
    of a kind.
    """

    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args, needs_database: bool = True, **kwargs):
        super().__init__(*args, **kwargs)
        self._needs_database = needs_database
        self._prepare_doc_cbks.append(self._complete_doc)

    def route(self, rule, **options):
        register = super().route(rule, **options)

        def decorate(view):
            operation_id = wire_name(view.__name__)
            endpoint = f"{self.name}.{view.__name__}"
            return register(_note(self.doc(operationId=operation_id)(view), endpoint=endpoint))

        return decorate

    def arguments(self, schema, **options):
        """Take what `schema` describes; it is made once and not for each request."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)

    def problems(self, *codes: str):
        """Document that the operation may answer with these errors, besides those of its kind."""
        return lambda view: _note(view, problems=codes)

    def idempotent(self, view):
        """Accept an `Idempotency-Key`."""
        return _note(idempotency.idempotent(view), is_idempotent=True)

    def takes_if_match(self, view):
        """Accept an `If-Match` of what the operation changes, as every PATCH does."""
        return _note(view, takes_if_match=True)

    def created(self, schema, *, shown_by: str):
        """Respond 201 with the new row that the view returns, and its URL in `Location`.

        `shown_by` names the view at that URL, `get_…`, which takes the row's id.
        """
        id_name = f"{shown_by.removeprefix('get_')}_id"

        def decorate(view: Callable):
            @wraps(view)
            def locate(*args, **kwargs):
                row = view(*args, **kwargs)
                return row, {"Location": url_for(f".{shown_by}", **{id_name: row.id})}

            respond = self.response(201, schema, headers={"Location": openapi.LOCATION})
            link = openapi.link_to(wire_name(shown_by), id_name)
            return _note(respond(locate), link=link)

        return decorate

    def _complete_doc(self, doc, doc_info, *, api, method, **_):
        needs_token = doc_info.get("manual_doc", {}).get("security") != []
        roles = api.roles_allowed.get(doc_info["endpoint"], frozenset())
        needs_role = needs_token and roles != frozenset(Role)
        if needs_role:
            openapi.add_roles(doc_info["docstring"], roles)
        has_body = "requestBody" in doc or "requestBody" in doc_info.get("manual_doc", {})
        codes = openapi.common_codes(
            needs_token=needs_token,
            needs_role=needs_role,
            has_body=has_body,
            has_arguments=has_body or "parameters" in doc,
            needs_database=self._needs_database,
        )
        if doc_info.get("is_idempotent"):
            openapi.add_idempotency(doc)
            codes |= openapi.IDEMPOTENCY_CODES
        if method == "get" and needs_token:
            openapi.add_etag(doc)
        if method in ("patch", "delete") or doc_info.get("takes_if_match"):
            openapi.add_if_match(doc)
            codes |= openapi.IF_MATCH_CODES
        if "link" in doc_info:
            doc["responses"][201]["links"] = doc_info["link"]
        openapi.add_problems(doc, codes | set(doc_info.get("problems", ())))
        return doc


def _note(view, **notes):
    """Store notes on a view for `_complete_doc`."""
    view._apidoc = getattr(view, "_apidoc", {}) | notes
    return view


class Api(SmorestApi):
    """The OpenAPI document and its blueprints."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None  # each operation documents its own errors
    roles_allowed: Mapping[str, Collection[Role]] = {}
    """Which roles may use an operation, by endpoint."""

    def _init_spec(self, **options):
        super()._init_spec(**options)
        openapi.add_components(self.spec, ProblemSchema)

    def _register_error_handlers(self):
        """Leave errors to `problems`."""

    def _register_responses(self):
        """Leave responses to `openapi`: their names here depend on Python's version."""

    def _register_etag_headers(self):
        """Leave ETag headers to `openapi`, too."""

    def _register_pagination_header(self):
        """Leave it out: pages have a `Link`."""


class IdConverter(IntegerConverter):
    """An id in a path, without sign or leading zeros; anything else is a 404.

    It has at most 18 digits, one less than PostgreSQL's largest bigint, so that the pattern alone
    decides, for all methods.
    """

    regex = r"[1-9][0-9]{0,17}"
    maximum = 10**18 - 1


def make_api(roles_allowed: Mapping[str, Collection[Role]]) -> Api:
    """Create the OpenAPI layer, without app or blueprints.

    `roles_allowed` are the roles that may use an operation, by endpoint.
    """
    api = Api(
        spec_kwargs={
            "title": "Billor",
            "version": API_VERSION,
            "openapi_version": "3.1.0",
            "info": {"description": openapi.DESCRIPTION},
            "security": [{"bearer": []}],
        }
    )
    api.roles_allowed = roles_allowed
    api.register_converter(
        IdConverter,
        lambda converter: {
            "type": "integer",
            "format": "int64",
            "minimum": 1,
            "maximum": IdConverter.maximum,
            "example": 1,
        },
    )
    return api
