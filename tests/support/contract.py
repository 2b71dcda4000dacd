"""The committed OpenAPI document, and whether it documents an answer."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from werkzeug.test import TestResponse

from billor.api.problems import CONTENT_TYPE as PROBLEM
from scripts.launcher.launcher import PROJECT

OF_NO_OPERATION = ("not_found", "method_not_allowed")
"""The codes of paths without an operation: `/loads/0` looks like one, but has no valid id."""


class Operation(NamedTuple):
    """A method of a path, as documented."""

    method: str
    path: str
    pattern: re.Pattern[str]
    said: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def address(self) -> str:
        """The path with 1 for each id."""
        return re.sub(r"{\w+}", "1", self.path)

    @property
    def needs_token(self) -> bool:
        return self.said.get("security") != []

    @property
    def roles(self) -> set[str]:
        """The roles that may use it, as its description says."""
        said = self.said.get("description", "").rpartition("For the roles ")[2]
        named = set(re.findall(r"ADMIN|DISPATCHER|DRIVER", said.partition(".")[0]))
        return named if "403" in self.said["responses"] else {"ADMIN", "DISPATCHER", "DRIVER"}

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters, without those of the path."""
        return [_resolved(parameter)["name"] for parameter in self.said.get("parameters", [])]

    @property
    def query(self) -> dict[str, Mapping[str, Any]]:
        """The schemas of its query parameters, by name."""
        parameters = map(_resolved, self.said.get("parameters", []))
        return {e["name"]: _resolved(e["schema"]) for e in parameters if e["in"] == "query"}

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The schema of its JSON body, if it takes one."""
        content = self.said.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return None
        schema = _resolved(content["application/json"]["schema"])
        fields = {name: _resolved(field) for name, field in schema["properties"].items()}
        return schema | {"properties": fields}

    @property
    def full_body(self) -> dict[str, object]:
        """A good body of all fields."""
        assert self.body is not None
        return {name: _good_value(schema) for name, schema in self.body["properties"].items()}

    @property
    def required_body(self) -> dict[str, object]:
        """A good body of the required fields."""
        assert self.body is not None
        required = self.body.get("required", ())
        return {name: value for name, value in self.full_body.items() if name in required}

    def codes(self, status: int) -> set[str]:
        """The error codes that it documents for a status."""
        response = _resolved(self.said["responses"].get(str(status), {}))
        return set(re.findall(r"`([a-z_]+)`", response.get("description", "")))

    @property
    def response_headers(self) -> set[str]:
        """The names of all headers of its responses."""
        responses = map(_resolved, self.said["responses"].values())
        return {name for response in responses for name in response.get("headers", {})}

    def documents(self, status: int, media_type: str, code: str | None) -> bool:
        responses = self.said["responses"]
        response = _resolved(responses.get(str(status), responses["default"]))
        is_known = code is None or f"`{code}`" in response["description"]
        return is_known and media_type in response.get("content", {media_type: None})


@cache
def operations() -> list[Operation]:
    """All documented operations."""
    return [
        Operation(method.upper(), path, _pattern(path), said)
        for path, item in _document()["paths"].items()
        for method, said in item.items()
        if method != "parameters"
    ]


def creator_of(operation: Operation) -> Operation | None:
    """The operation that makes the rows of an operation on one row, if there is one."""
    path, is_of_one, _ = operation.path.partition("/{")
    found = [each for each in operations() if (each.method, each.path) == ("POST", path)]
    return found[0] if is_of_one and found else None


def assert_documented(answer: TestResponse) -> None:
    """Check that the requested operation, if there is one, documents the answer."""
    method, path = answer.request.method, answer.request.path
    for operation in operations():
        if operation.method == method and operation.pattern.fullmatch(path):
            code = answer.json["code"] if answer.mimetype == PROBLEM else None
            got = (answer.status_code, answer.mimetype, code)
            is_documented = code in OF_NO_OPERATION or operation.documents(*got)
            assert is_documented, f"openapi.json has no {got} at {operation}"
            if code:
                known = _document()["components"]["schemas"]["Problem"]["properties"].keys()
                assert answer.json.keys() <= known, "document the member in `ProblemSchema`"


def _good_value(schema: Mapping[str, Any]) -> object:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    good = {
        "boolean": True,
        "integer": schema.get("minimum", 1),
        "number": schema.get("minimum", 1),
        "string": _good_text(schema.get("format"), schema.get("maxLength", 99)),
        "object": {k: _good_value(v) for k, v in schema.get("properties", {}).items()},
    }
    by_type = next((good[kind] for kind in kinds if kind in good), None)
    return schema.get("example", schema.get("default", schema.get("enum", [by_type])[0]))


def _good_text(format_: str | None, max_length: int) -> str:
    texts = {
        "date": "2026-01-02",
        "date-time": "2026-01-02T03:04:05Z",
        "email": "somebody.good@billor.example",
        "uuid": "00000000-0000-0000-0000-000000000001",
    }
    return texts.get(format_ or "", "something good"[:max_length])


@cache
def _document() -> dict[str, Any]:
    return json.loads((PROJECT / "openapi.json").read_text())


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"{\w+}", path)))


def _resolved(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value, with what its `$ref` points to if it has one."""
    if "items" in value:
        return value | {"items": _resolved(value["items"])}
    if "$ref" not in value:
        return value
    found = _document()
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found | {name: value[name] for name in value if name != "$ref"}
