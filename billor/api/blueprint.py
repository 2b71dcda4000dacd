"""flask-smorest with our contract: problem+json, strict bodies, bearer by default."""

import json
from collections.abc import Callable, Mapping
from functools import wraps

from flask import Request, url_for
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter

from billor.api.idempotency import idempotent
from billor.api.pagination import PageQuery, page_headers
from billor.errors import BillorError

PAGE_HEADERS = {"Link": "Link"}
FILE_HEADERS = {"Content-Disposition": "Content-Disposition"}


class Parser(FlaskParser):
    """Parses requests. Schemas reject unknown fields; a JSON body needs its Content-Type."""

    DEFAULT_UNKNOWN_BY_LOCATION = {}

    def load_json(self, req: Request, schema):
        if not req.is_json:
            raise BillorError("unsupported_media_type")
        body = req.get_data()
        # Werkzeug truncates a body without Content-Length at the limit, instead of rejecting it.
        is_at_limit = req.content_length is None and len(body) == req.max_content_length
        if is_at_limit and req.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRequest from error


class Blueprint(SmorestBlueprint):
    """A blueprint whose views declare what scripts/write_openapi.py documents."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema, **options):
        """Parse the request with `schema`, without its read-only fields."""
        return super().arguments(_without(schema, lambda field: field.dump_only), **options)

    def response(self, status_code, schema=None, **options):
        """Render the response with `schema`, without its write-only fields.

        A write that is retried with its `Idempotency-Key` gets this response again.
        """
        if schema is not None and not isinstance(schema, dict):
            schema = _without(schema, lambda field: field.load_only)
        respond = super().response(status_code, schema, **options)
        return lambda view: idempotent(respond(view))

    def problems(self, *codes: str):
        """Document these errors, in addition to those that all such operations have."""
        return self.doc(**{"x-problems": codes})

    def takes_if_match(self, view):
        """Document `If-Match`, which every PATCH and DELETE has by default."""
        return self.doc(**{"x-if-match": True})(view)

    def paged(self, schema, query=PageQuery, headers=PAGE_HEADERS):
        """Respond 200 with the items of the page that the view returns for a `query`.

        `Link` has the next page.
        """

        def decorate(view: Callable):
            @wraps(view)
            def show(*args, **kwargs):
                page = view(*args, **kwargs)
                return page.items, page_headers(page)

            respond = self.response(200, schema(many=True), headers=headers)
            return self.arguments(query, location="query")(respond(show))

        return decorate

    def created(self, schema, *, shown_by: str, headers: Mapping[str, str] | None = None):
        """Respond 201 with the row of the view; its `Location` is of the view `shown_by`."""
        id_name = f"{shown_by.removeprefix('get_')}_id"

        def decorate(view: Callable):
            @wraps(view)
            def locate(*args, **kwargs):
                row = view(*args, **kwargs)
                location = url_for(f".{shown_by}", **{id_name: row.id})
                return row, {"Location": location, **(headers or {})}

            return self.response(201, schema, headers={"Location": "Location"})(locate)

        return decorate


def _without(schema: Schema | type[Schema], is_excluded: Callable) -> Schema:
    schema = schema() if isinstance(schema, type) else schema
    excluded = [name for name, field in schema.fields.items() if is_excluded(field)]
    return type(schema)(many=schema.many, exclude=excluded)


class IdConverter(IntegerConverter):
    """An id in a path: up to 18 digits, which fit a bigint. Anything else is a 404."""

    regex = r"[1-9][0-9]{0,17}"
    maximum = 10**18 - 1
