"""Bad input in any field of any operation is refused by name, and without effect."""

import codecs
import gzip
import json
import re
from collections.abc import Iterator, Mapping

import pytest
from flask import Flask
from sqlalchemy import select

from billor.api.fields import MAX_FIELDS
from billor.models import db
from tests.support.answers import assert_problem
from tests.support.apps import another_app, client_with_token, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import Operation, operations

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
JSON = "application/json"
HUGE = "x" * 100_000
PAIR = {"driverId": 1, "loadId": 1}

NO_TEXTS = [0, 1.5, True, None, [], ["a"], {"a": "b"}, "\ud800"]
NO_WORDS = ["", " \t\u00a0\u2028", "a\x00b", "\x1b[31m", "a\u200bb", "Alex \u202eretraC", "\ufffe"]
NO_TIMES = ["", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-02-30T00:00:00Z", "\x00"]
NO_TIMES += ["2026-01-02T24:00:00Z", "0001-01-01T00:00:00+00:01", "٢026-01-02T03:04:05Z", HUGE[:99]]
NO_TIMES += ["1999-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "2100-12-31T23:59:59-01:00"]
NO_DATES = ["", "now", "2026-2-1", "20260201", "2026-W05-1", "2026-02-30", "٢026-01-02", "\x00"]
NO_DATES += ["1999-12-31", "2101-01-01", "0001-01-01", "2026-01-02T00:00:00Z", HUGE[:99]]
NO_EMAILS = ["", "dana", "@billor.example", "dana@", "a b@billor.example", "@" * 300]
NO_FLAGS = [0, 1, "true", "", None, [], {}]
NO_NUMBERS = [-1, 1.0, 1.5, float("nan"), 2**63, -(2**63), "1", True, None, [1], {}]
NO_LISTS = ["", "[]", None, {}, [], [1], [{}], [{}] * 10_000, [PAIR, PAIR | {"loadId": "1"}]]
NO_INTEGERS = ["", "0", "-1", "+1", " 1", "1.0", "1e3", "NaN", "٣", "1_0", "1\n", str(2**63)]
NO_INTEGERS += ["9" * 5000]
NO_SWITCHES = ["", "1", "yes", "True", "true\x00", "true,false"]


@pytest.fixture
def client(app) -> ApiClient:
    """A client beside load 1, driver 1 and the active assignment 1 of two others."""
    client = client_with_token(app)
    client.make_load()
    client.make_driver("TX-1")
    driver = client.make_driver("TX-2")
    client.assign(driver, client.make_load())
    return give_driver_token(client, app, driver["id"])


@pytest.fixture
def nothing_changes(app: Flask, client: ApiClient) -> Iterator[None]:
    """Check that the test changes no row after the `client` fixture has made its own."""

    def rows() -> dict[str, list]:
        with app.app_context():
            return {
                table.name: sorted(map(repr, db.session.execute(select(table))))
                for table in db.metadata.sorted_tables
            }

    before = rows()
    yield
    assert rows() == before


def send(client: ApiClient, operation: Operation, body: object, **headers: str):
    data = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": JSON} | headers
    return client.request(operation.method, operation.address, data=data, headers=headers)


def bad_texts(schema: Mapping) -> list[str]:
    """Bad texts for a field or a parameter with this schema."""
    if bad := {"date-time": NO_TIMES, "date": NO_DATES, "email": NO_EMAILS}.get(
        schema.get("format")
    ):
        return bad
    if "enum" in schema:
        return ["", "NONE", f"{schema['enum'][0]} "]
    too_long = "x" * (schema.get("maxLength", 5000) + 1)
    is_password = schema.get("format") == "password"
    return ["x" * (schema["minLength"] - 1), too_long] if is_password else [*NO_WORDS, too_long]


def bad_values(schema: Mapping) -> list[object]:
    """Bad JSON values for a field with this schema."""
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kind = next(kind for kind in kinds if kind != "null")
    out_of_bounds = [schema.get("minimum", 1) - 1, schema.get("maximum", 2**63) + 1]
    no_numbers = NO_NUMBERS + out_of_bounds
    bad = {"boolean": NO_FLAGS, "integer": no_numbers, "array": NO_LISTS}.get(kind)
    values = bad or [*NO_TEXTS, *bad_texts(schema)]
    return [value for value in values if value is not None or "null" not in kinds]


def bad_parameters(schema: Mapping) -> list[str]:
    """Bad values for a query parameter with this schema."""
    if schema["type"] == "array":
        schema = schema["items"]
    too_large = str(schema.get("maximum", 2**63) + 1)
    bad = {"integer": [*NO_INTEGERS, too_large], "boolean": NO_SWITCHES}.get(schema["type"])
    return bad or bad_texts(schema)


def unnamed(answer, field: str) -> str:
    """Say what is wrong with an answer that should refuse this field alone; nothing if it does."""
    errors = answer.json.get("errors", {}) if answer.status_code == 422 else {}
    return "" if set(errors) == {field} else f"{answer.status_code} {set(errors)}"


with_body = pytest.mark.parametrize("operation", [e for e in operations() if e.body], ids=str)
with_query = pytest.mark.parametrize("operation", [e for e in operations() if e.query], ids=str)


@with_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_bad_field_is_refused_by_its_name(client, operation):
    body = operation.required_body
    less = [(name, {key: body[key] for key in body if key != name}) for name in body]
    bad = [
        (name, body | {name: value})
        for name, schema in operation.body["properties"].items()
        for value in bad_values(schema)
    ]
    unknown = [(name, body | {name: 1}) for name in ("bogus", "", "_id", "🚚", "\x00", "x" * 999)]
    wrong = [
        f"{name!r} in {str(sent)[:100]}: {told}"
        for name, sent in (*less, *bad, *unknown)
        if (told := unnamed(send(client, operation, sent), name))
    ]
    assert wrong == []


@with_query
def test_a_bad_query_parameter_is_refused_by_its_name(client, operation):
    bad = [
        (name, text) for name, schema in operation.query.items() for text in bad_parameters(schema)
    ]
    bad += [(name, "1") for name in ("bogus", "Limit", "offset", "limit[]", "", "\x00")]
    wrong = [
        f"{name!r}={text[:50]!r}: {told}"
        for name, text in bad
        if (told := unnamed(ask(client, operation, {name: text}), name))
    ]
    assert wrong == []


def ask(client, operation, query):
    return client.request(operation.method, operation.address, query_string=query)


@with_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_body_that_is_no_json_object_is_refused(client, operation):
    for data in (b"", b"{", b"\x00", b'{"a": "\xff"}', b"{}{}", b'{"a": 1,}', b"[" * 8000):
        assert_problem(send(client, operation, data), 400, "malformed_request")
    for value in (None, [], [{}], "origin", 1, True, float("nan")):
        assert_problem(send(client, operation, value), 422, "validation_failed")


def test_a_body_of_any_kind_of_json_is_accepted(client):
    marked = codecs.BOM_UTF8 + json.dumps(LOAD).encode()
    for kind in (JSON, "Application/JSON; charset=UTF-8", "application/hal+json"):
        assert client.post("/loads", data=marked, content_type=kind).status_code == 201


@pytest.mark.usefixtures("nothing_changes")
def test_a_body_of_another_kind_is_refused(client):
    body = json.dumps(LOAD).encode()
    for kind in ("", "json", "text/plain", "multipart/form-data", f"{JSON}, text/plain", HUGE):
        answer = client.post("/loads", data=body, headers={"Content-Type": kind})
        assert_problem(answer, 415, "unsupported_media_type")
    for header, coding in (
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "identity, br"),
        ("Content-Encoding", "\xff"),
        ("Transfer-Encoding", "gzip, chunked"),
    ):
        for path, kind in (("/loads", JSON), ("/loads/import", "application/x-ndjson")):
            headers = {"Content-Type": kind, header: coding}
            answer = client.post(path, data=gzip.compress(body), headers=headers)
            problem = assert_problem(answer, 415, "unsupported_media_type")
            assert header in problem["detail"]
    plain = {"Content-Type": JSON, "Content-Encoding": "identity"}
    refused = client.post("/loads", data=b"{}", headers=plain)
    assert_problem(refused, 422, "validation_failed")


def test_an_object_with_too_many_fields_is_refused_without_naming_them(client):
    unknown = [str(number) for number in range(MAX_FIELDS)]
    for names, errors in ((unknown, set(unknown)), ([*unknown, "one more"], {"_schema"})):
        refused = client.patch("/loads/1", dict.fromkeys(names, 1))
        assert assert_problem(refused, 422, "validation_failed")["errors"].keys() == errors


NO_PATH_IDS = ["0", "-1", "01", "%201", "1.0", "one", "٣", "%00", "1%00", "%ED%A0%80", str(10**18)]


@pytest.mark.usefixtures("nothing_changes")
def test_a_path_with_a_bad_id_is_not_found(client):
    for operation in operations():
        for id_ in NO_PATH_IDS if "{" in operation.path else ():
            answer = client.request(operation.method, re.sub(r"{\w+}", id_, operation.path))
            assert_problem(answer, 404, "not_found")


MALFORMED_HEADERS = {
    "Accept": ["nonsense", "*/*;q=0", "\xff", HUGE],
    "Content-Length": ["5", "-1", "ten"],
    "Cookie": ["\xff=;;", HUGE],
    "If-None-Match": ["", '"', "nonsense", ",,,", "\xff", HUGE],
    "Range": ["bytes=0-1", "nonsense"],
    "X-HTTP-Method-Override": ["DELETE"],
    "X-Request-ID": ["", "\xff", "a b", HUGE],
}


@pytest.mark.parametrize("path", ["/loads", "/loads/1", "/audit"])
def test_malformed_headers_do_not_change_an_answer(client, path):
    expected = client.get(path)
    for name, values in MALFORMED_HEADERS.items():
        for value in values:
            answer = client.get(path, headers={name: value})
            got = (answer.status_code, answer.text, answer.headers["ETag"])
            assert got == (200, expected.text, expected.headers["ETag"]), (name, value[:60])


def test_an_invalid_host_header_yields_relative_links_where_any_host_is_trusted(client, settings):
    client.make_load()
    with another_app(settings, BIND="192.0.2.1") as app:
        anywhere = ApiClient(app.test_client(), client.token)
        for host in ("a b", "\xff", 'a"<>', "[::1", "localhost:99999"):
            answer = anywhere.get("/loads?limit=1", headers={"Host": host})
            assert answer.headers["Link"].startswith("</loads?limit=1&cursor=")
