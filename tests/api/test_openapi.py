"""The OpenAPI document is valid and complete; the docs page needs no other origin."""

import json
import re
import tomllib
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from billor.auth.guard import PUBLIC_ENDPOINTS
from billor.embedded.launcher import PROJECT
from billor.errors import CODES
from billor.http.api import API_VERSION

CODES_OF_NO_OPERATION = {
    "expectation_failed",
    "not_implemented",
    "not_found",
    "method_not_allowed",
}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture
def document(anonymous) -> dict:
    answer = anonymous.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return answer.json


@pytest.fixture
def operations(document) -> dict[tuple[str, str], dict]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def resolve(document, value):
    """What a `$ref` points to, or the value itself if it is none."""
    if "$ref" not in value:
        return value
    for step in value["$ref"].removeprefix("#/").split("/"):
        document = document[step]
    return document


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_document_is_openapi_3(document):
    assert re.fullmatch(r"3\.\d+\.\d+", document["openapi"])
    assert document["info"]["title"] == "Billor"
    assert document["info"]["version"]
    found = list(references(document))
    assert found
    for reference in found:
        assert reference["$ref"].startswith("#/")
        assert resolve(document, reference)


def test_the_document_holds_every_route_and_nothing_else(app, operations):
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith(("board.", "docs.", "api-docs."))
    }
    assert set(operations) == routes


def test_every_operation_has_a_unique_id_a_summary_and_a_tag(document, operations):
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", id_) for id_ in ids)
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations.values():
        assert operation["summary"].strip()
        assert set(operation["tags"]) <= tags


def test_every_error_is_documented_as_a_problem_with_its_codes(document, operations):
    problem = {"$ref": "#/components/schemas/Problem"}
    documented = set()
    for (method, path), operation in operations.items():
        errors = {
            status: resolve(document, answer)
            for status, answer in operation["responses"].items()
            if status[0] in "45"
        }
        assert "500" in errors, (method, path)
        assert any(status.startswith("2") for status in operation["responses"])
        if path == "/readyz":
            del errors["503"]  # has the same body as its 200
        for status, error in errors.items():
            content = error["content"]["application/problem+json"]
            assert content["schema"] == problem
            for code, example in content["examples"].items():
                value = example["value"]
                assert (value["status"], value["code"]) == (int(status), code)
                assert f"`{code}`" in error["description"]
                documented.add(code)
    assert documented == set(CODES) - CODES_OF_NO_OPERATION
    schema = resolve(document, problem)
    assert set(schema["required"]) == {"type", "title", "status", "detail", "code"}


def test_the_documents_version_is_the_projects():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["version"] == API_VERSION


def test_the_committed_document_is_up_to_date(document):
    committed = json.loads((PROJECT / "openapi.json").read_text())
    assert committed == document, "run `make openapi`"


def test_only_public_operations_are_documented_as_public(app, document, operations):
    public = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in PUBLIC_ENDPOINTS}
    for (_, path), operation in operations.items():
        assert operation.get("security") == ([] if path in public else None)
    assert document["security"] == [{"bearer": []}]


def test_the_security_scheme_is_defined(document):
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_path_parameters_are_declared_and_have_the_range_of_ids(document):
    for path, item in document["paths"].items():
        declared = {
            parameter["name"]: parameter
            for parameter in item.get("parameters", [])
            if parameter["in"] == "path"
        }
        assert set(declared) == set(re.findall(r"{(\w+)}", path))
        for parameter in declared.values():
            assert parameter["required"] is True
            schema = parameter["schema"]
            assert (schema["type"], schema["format"]) == ("integer", "int64")
            assert (schema["minimum"], schema["maximum"]) == (1, 10**18 - 1)


def test_lists_document_their_parameters_and_headers(document, operations):
    filters = {
        "/users": {"email", "q"},
        "/drivers": {"status", "available", "licenseNumber", "q", "expand"},
        "/loads": {"status", "origin", "destination", "cargoType", "reference"}
        | {"createdFrom", "createdTo", "pickupFrom", "pickupTo", "sort", "q", "expand"},
        "/assignments": {"driverId", "loadId", "status", "expand"},
        "/audit": {"loadId", "driverId", "type", "from", "to"},
    }
    for path, names in filters.items():
        operation = operations["get", path]
        parameters = [resolve(document, parameter) for parameter in operation["parameters"]]
        declared = {parameter["name"]: parameter for parameter in parameters}
        assert set(declared) == {"limit", "cursor", "If-None-Match"} | names
        limit = declared["limit"]["schema"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50)
        answer = operation["responses"]["200"]
        assert "Link" in answer["headers"]
        assert answer["content"]["application/json"]["schema"]["type"] == "array"
    assert "X-Cache" in operations["get", "/loads"]["responses"]["200"]["headers"]


def test_read_only_and_write_only_fields_are_marked(document):
    schemas = document["components"]["schemas"]
    assert schemas["User"]["properties"]["password"]["writeOnly"] is True
    for name in ("User", "Driver", "Load", "Assignment"):
        assert schemas[name]["properties"]["id"]["readOnly"] is True
    assert schemas["Load"]["properties"]["status"]["readOnly"] is True


class References(HTMLParser):
    """The addresses in a page, and the names of its inline scripts' and styles' tags."""

    def __init__(self, page: str):
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = [value for name, value in attrs if name in ("src", "href")]
        self.addresses += found
        if tag in ("script", "style") and not found:
            self.inline.append(tag)


def test_the_docs_page_loads_nothing_from_other_origins(anonymous):
    with anonymous.get("/docs") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        page = References(answer.text)
        policy = answer.headers["Content-Security-Policy"]
    # The policy would block other origins even if the page named them.
    for source in re.findall(r"(?:script|style|img|connect)-src ([^;]+)", policy):
        assert set(source.split()) <= {"'self'", "'unsafe-inline'", "data:"}
    assert "script-src 'self';" in policy
    assert page.inline == []

    assert {urlsplit(address).path for address in page.addresses} >= {
        "/docs/swagger-ui-bundle.js",
        "/docs/swagger-ui.css",
    }
    types = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
    for address in page.addresses:
        assert re.match(r"/[^/]", address), address
        with anonymous.get(address) as answer:
            assert answer.status_code == 200, address
            # With nosniff, browsers refuse another type.
            assert answer.mimetype == types[address[address.rindex(".") :]]
            assert answer.data
            if answer.mimetype == "text/css":
                imported = re.findall(r"url\(\s*['\"]?([^)'\"]{4})|@import", answer.text)
                assert set(imported) <= {"data"}


def test_the_docs_page_shows_this_document(anonymous):
    with anonymous.get("/docs/page.js") as answer:
        (address,) = re.findall(r'url: "([^"]+)"', answer.text)
    assert address == "/openapi.json"
