"""flask-smorest, told to speak our contract: problem+json, strict bodies, bearer by default."""

from flask import Request
from flask_smorest import Api as SmorestApi
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter, ValidationError

from billor.problems import CONTENT_TYPE, ProblemSchema
from billor.schemas import MAX_ID

API_VERSION = "1.0.0"
PAGE_HEADERS = {
    "Link": {
        "description": 'The next page, as `<url>; rel="next"` (RFC 8288); absent on the last one.',
        "schema": {"type": "string"},
    }
}


class Parser(FlaskParser):
    """Reads requests. Unknown fields are for the schemas to refuse; JSON must say that it is."""

    DEFAULT_UNKNOWN_BY_LOCATION = {}

    def load_json(self, req: Request, schema):
        # A body that does not tell its length is cut off at the limit, not refused.
        cut_off = req.content_length is None and len(req.get_data()) == req.max_content_length
        if cut_off and req.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge
        try:
            return req.get_json()
        except RecursionError as error:
            raise BadRequest from error


class Blueprint(SmorestBlueprint):
    """A blueprint whose operations take their OpenAPI id from the function's name."""

    ARGUMENTS_PARSER = Parser()

    def route(self, rule, **options):
        register = super().route(rule, **options)

        def decorate(view):
            head, *tail = view.__name__.split("_")
            operation_id = head + "".join(word.capitalize() for word in tail)
            return register(self.doc(operationId=operation_id)(view))

        return decorate

    def problems(self, *statuses: int):
        """Document that the operation may answer with these errors."""

        def decorate(view):
            for status in statuses:
                view = self.alt_response(status, schema=ProblemSchema, content_type=CONTENT_TYPE)(
                    view
                )
            return view

        return decorate


class Api(SmorestApi):
    """The OpenAPI document and its blueprints."""

    ERROR_SCHEMA = ProblemSchema

    def _init_spec(self, **options):
        super()._init_spec(**options)
        self.spec.components.security_scheme(
            "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        )

    def _register_error_handlers(self):
        """Leave errors to `problems`."""

    def _register_responses(self):
        super()._register_responses()
        for response in self.spec.components.responses_lazy.values():
            content = response.get("content", {})
            if "application/json" in content:
                content[CONTENT_TYPE] = content.pop("application/json")


class IdConverter(IntegerConverter):
    """A path id that fits a PostgreSQL bigint, written in one way; anything else is no page."""

    regex = r"[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > MAX_ID:
            raise ValidationError
        return number


def make_api() -> Api:
    """The OpenAPI layer, yet without app or blueprints."""
    api = Api(
        spec_kwargs={
            "title": "Billor",
            "version": API_VERSION,
            "openapi_version": "3.1.0",
            "info": {"description": "A driver has at most one active load at a time."},
            "security": [{"bearer": []}],
        }
    )
    api.register_converter(
        IdConverter,
        lambda converter: {"type": "integer", "format": "int64", "minimum": 1},
    )
    return api
