"""Write postman.json, a collection for Postman and Bruno, from openapi.json."""

import json
import re
from typing import Any

from scripts.launcher.launcher import PROJECT

Json = dict[str, Any]
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
OF_TYPES = {"boolean": True, "integer": 1, "string": "text"}
OF_FORMATS = {"date-time": "2030-03-01T08:00:00Z", "password": "demo-password"}
OF_NAMES = {
    "Idempotency-Key": "{{$guid}}",  # a new one for each request
    "refreshToken": "{{refreshToken}}",
}
VARIABLES = {"baseUrl": "http://127.0.0.1:8000", "token": "", "refreshToken": ""}
KEEP_LOGIN = """\
const { access_token, refreshToken } = pm.response.json();
if (access_token) {
  pm.collectionVariables.set("token", access_token);
  pm.collectionVariables.set("refreshToken", refreshToken);
}"""


def collection(document: Json) -> str:
    """Return it: a folder for each tag, with a request for each operation."""
    folders = {tag["name"]: {**tag, "item": []} for tag in document["tags"]}
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                item = _item(document, method, path, shared, operation)
                folders[operation["tags"][0]]["item"].append(item)
    info = document["info"]
    whole = {
        "info": {"name": info["title"], "description": info["description"], "schema": SCHEMA},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]},
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "item": [*folders.values()],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _item(document: Json, method: str, path: str, shared: list[Json], operation: Json) -> Json:
    parameters = [_resolved(document, each) for each in [*shared, *operation.get("parameters", [])]]
    path = re.sub(r"{(\w+)}", r":\1", path)
    headers = _pairs(document, parameters, "header")
    request = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "header": headers,
        "url": {
            "raw": "{{baseUrl}}" + path,
            "host": ["{{baseUrl}}"],
            "path": path[1:].split("/"),
            "variable": _pairs(document, parameters, "path"),
            "query": _pairs(document, parameters, "query"),
        },
    }
    if "requestBody" in operation:
        media_type, content = next(iter(operation["requestBody"]["content"].items()))
        headers.append({"key": "Content-Type", "value": media_type})
        request["body"] = _body(document, content)
    if operation.get("security") == []:
        request["auth"] = {"type": "noauth"}
    item = {"name": operation["summary"], "request": request}
    if operation["operationId"] in {"login", "refresh"}:
        item["event"] = [{"listen": "test", "script": {"exec": KEEP_LOGIN.splitlines()}}]
    return item


def _pairs(document: Json, parameters: list[Json], place: str) -> list[Json]:
    """Return the parameters at this place; those that may be left out are switched off."""
    return [
        {
            "key": each["name"],
            "value": OF_NAMES.get(each["name"]) or _text(document, each["schema"]),
            "description": each.get("description", ""),
        }
        | ({} if each.get("required") else {"disabled": True})
        for each in parameters
        if each["in"] == place
    ]


def _text(document: Json, schema: Json) -> str:
    value = _example(document, schema.get("items", schema))
    return value if isinstance(value, str) else json.dumps(value)


def _body(document: Json, content: Json) -> Json:
    if content["schema"].get("format") == "binary":
        return {"mode": "file", "file": {}}
    if "example" in content:
        return {"mode": "raw", "raw": content["example"]}
    raw = json.dumps(_example(document, content["schema"]), indent=2, ensure_ascii=False)
    return {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}


def _example(document: Json, schema: Json) -> Any:
    """Return a value of this schema: of an object the fields that it needs, or one."""
    schema = _resolved(document, schema)
    for key in ("example", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        names = schema.get("required") or [*schema["properties"]][:1]
        fields = schema["properties"]
        return {name: OF_NAMES.get(name) or _example(document, fields[name]) for name in names}
    if "items" in schema:
        return [_example(document, schema["items"])]
    type_ = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    return OF_FORMATS.get(schema.get("format", ""), OF_TYPES[type_])


def _resolved(document: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    _, kind, name = schema["$ref"].removeprefix("#/").split("/")
    return document["components"][kind][name]


if __name__ == "__main__":
    openapi = json.loads((PROJECT / "openapi.json").read_text())
    (PROJECT / "postman.json").write_text(collection(openapi))
