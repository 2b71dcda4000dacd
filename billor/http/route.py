"""Which rule the path of a request matches: what log lines, traces and others tell it by."""

from flask import Flask, request

ROUTE = "billor.route"
"""In the environ, once it is known. Where nothing matches, there is none."""


def init_route(app: Flask) -> None:
    """Note the rule before anything may refuse the request."""
    app.url_value_preprocessor(_note)


def _note(_endpoint: str | None, _values: dict | None) -> None:
    if request.url_rule is not None:
        request.environ[ROUTE] = request.url_rule.rule
