"""The OpenAPI document is complete, and small enough to be read."""

import json
import re
import tomllib

import pytest

from billor.config import API_VERSION
from billor.errors import CODES
from scripts.launcher.launcher import PROJECT
from scripts.write_collection import collection
from scripts.write_openapi import openapi_document

CODES_OF_NO_OPERATION = {"expectation_failed", "not_implemented", "not_found", "method_not_allowed"}
MAX_SIZE_OF_OPERATION = 4000
"""On average, with its share of what the document says once."""
METHODS = {"get", "put", "post", "delete", "patch"}
MISUNDERSTOOD = {
    *("not_found", "method_not_allowed", "malformed_request"),
    *("unsupported_media_type", "validation_failed"),
}
ENDS_THE_SESSION = ("/auth/logout", "/me/password")


@pytest.fixture
def document(anonymous) -> dict:
    answer = anonymous.get("/openapi.json")
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


def test_the_committed_document_is_up_to_date(document, operations):
    text = (PROJECT / "openapi.json").read_text()
    assert openapi_document() == text, "run `make openapi`"
    assert json.loads(text) == document
    count = len(operations) + len(document["webhooks"])
    assert len(text) < MAX_SIZE_OF_OPERATION * count
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert document["info"]["version"] == API_VERSION == project["version"]


def test_the_server_understands_every_request_of_the_collection(document, operations, client):
    text = (PROJECT / "postman.json").read_text()
    assert collection(document) == text, "run `make openapi`"
    assert text.count("{{refreshToken}}") == 1, "a login's own"
    folders = json.loads(text)["item"]
    requests = [item["request"] for folder in folders for item in folder["item"]]
    assert len(requests) == len(operations)
    for request in requests:
        path = re.sub(r":\w+", "1", request["url"]["raw"].removeprefix("{{baseUrl}}"))
        sent = {each["key"]: each["value"] for each in request["header"] if "disabled" not in each}
        body = request.get("body", {}).get("raw")
        if not path.startswith(ENDS_THE_SESSION):
            with client.request(request["method"], path, headers=sent, data=body) as answer:
                assert answer.status_code < 400 or answer.json["code"] not in MISUNDERSTOOD, path


def test_it_has_every_route_and_nothing_else(app, operations):
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith(("board.", "docs."))
    }
    assert set(operations) == routes


def test_every_code_is_documented(document):
    schema = document["components"]["schemas"]["Problem"]
    assert set(schema["required"]) == {"type", "title", "status", "detail", "code"}
    responses = document["components"]["responses"].values()
    documented = {code for each in responses for code in re.findall(r"`(\w+)`", str(each))}
    assert documented == set(CODES) - CODES_OF_NO_OPERATION


def test_enums_are_components_and_what_is_sent_has_no_read_only_field(document, operations):
    schemas = document["components"]["schemas"]
    assert schemas["LoadStatus"]["enum"] == ["OPEN", "ASSIGNED", "COMPLETED", "CANCELLED"]
    assert schemas["Load"]["properties"]["status"]["$ref"] == "#/components/schemas/LoadStatus"
    assert None not in schemas["CheckInKind"]["enum"], "only `progress` may be null"
    body = operations["post", "/loads"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/NewLoad"}
    assert set(schemas["Load"]["properties"]) - set(schemas["NewLoad"]["properties"]) == {
        *("id", "status", "hasPod", "createdAt", "updatedAt"),
        *("pickupPhoneShown", "deliveryPhoneShown"),
    }
    assert "password" not in schemas["User"]["properties"]
    closed = {name for name in schemas if schemas[name].get("additionalProperties") is False}
    assert {"NewLoad", "LoadUpdate", "PushKeys"} <= closed
    assert not closed & {"Load", "Problem", "LoadAssignedEvent"}, "later versions may add some"
    assert r"\\Z" not in json.dumps(document), "JSON Schema does not know it"
