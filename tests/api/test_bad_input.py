"""Invalid input in any field of any operation is refused by name, quickly and without effect.

Unusual but valid input is stored unchanged.
"""

import codecs
import gzip
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import product

import pytest
from flask import Flask
from sqlalchemy import select

from billor.auth.guard import MAX_PUBLIC_BODY_BYTES
from billor.extensions import db
from billor.http.fields import MAX_UNKNOWN_TOLD
from billor.http.strict_json import MAX_NAME_TOLD
from tests.support.answers import assert_problem
from tests.support.apps import another_app, client_with_token, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import Operation, operations

PATIENCE = 5
"""The timeout of one answer, in seconds."""
PUBLIC = {"/auth/login", "/auth/refresh"}
WITHOUT_BODY = {"/auth/logout", "/auth/logout-all", "/users/{user_id}"}
"""Operations that write, and take no body: the last one by `DELETE`."""
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
HUGE = "x" * 100_000
DEEP = f"{'[' * 500}{']' * 500}"

# JSON texts, since Python's encoder would not write some of them.
OTHERS = ["true", "false", "null", "[]", '["a"]', "[1]", "{}", '{"a": "b"}', DEEP]
NO_TEXTS = ["0", "1", "-1", "1.5", "1e400", "NaN", "9" * 4000, *OTHERS]
NO_FLAGS = ["0", "1", "-1", "1.0", "NaN", '"true"', '""', "null", "[]", "[true]", "{}", DEEP]
NO_IDS = ["0", "-1", "1.0", "1.5", "1e3", "1e400", "-1e400", "NaN", "Infinity", *OTHERS]
NO_IDS += [str(2**63), str(-(2**63)), "9" * 4000, '"1"', '""', '"one"', json.dumps(HUGE)]

NO_LISTS = ["0", "1.5", "NaN", '""', '"[]"', "true", "null", "{}", DEEP, "[]", "[1]", "[null]"]
NO_LISTS += ["[[]]", "[{}]", f"[{', '.join(['{}'] * 100_000)}]", f'[{{"{HUGE}": 1}}]']
NO_LISTS += [
    f'[{{"driverId": 1, "loadId": 1}}, {{"driverId": {first}, "loadId": {second}}}]'
    for bad in NO_IDS
    for first, second in ((bad, "1"), ("1", bad))
]
"""Nor lists of pairs of ids."""

LONE_SURROGATES = ["\ud800", "a\udfffb", "\udc00\ud800"]
UNPRINTABLE = ["\x00", "a\x00b", "\x1b[31m", "a\nb", "a\x7fb", "a\x85b"]
UNPRINTABLE += ["a\u200bb", "\ufeffa", "\u3164", "\u2800", "a\u00adb", "\ue000", "\u0378", "\uffff"]
UNPRINTABLE += ["a\u200fb", "\u200eb", "Alex \u202eretraC\u202c", "a\u2066b", "\u061cb"]
BLANK = ["", " \t\r\n", "\u00a0\u2003\u3000\u2028"]
NO_EMAILS = ["dana", "@billor.example", "dana@", "a b@billor.example", f"{HUGE}@billor.example"]
NO_EMAILS += [f"dana@{'a.' * 50_000}", "@" * 100_000]
NO_TIMES = [*BLANK, *UNPRINTABLE, "now", "1767323045", "2026-01-02", "2026-01-02T03:04:05"]
NO_TIMES += ["2026-02-30T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:05+24:00"]
NO_TIMES += ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"]
NO_TIMES += ["٢026-01-02T03:04:05Z", f"2026-01-02T03:04:05.{'9' * 100_000}Z\x00", HUGE]
NO_INTEGERS = ["0", "-1", "+1", "01 ", " 1", "1.0", "1.5", "1e3", "1e400", "NaN", "true", "null"]
NO_INTEGERS += ["", "\x00", "1\x00", "1\n", "٣", "1_0", "1,2", "0x1", "one", str(2**63), "9" * 5000]

# Bodies without fields: the error names none.
NO_JSON = [
    *(b"", b" ", b"{", b"\x00", b"\xef\xbb\xbf", b'{"origin": ', b'{"origin": "\xff"}', b"{}{}"),
    *(b"{'a': 1}", b'{"a": 1,}', b"9" * 10_000, b"[" * 200_000, b'{"a":' * 200_000),
]
NO_OBJECTS = ["null", "[]", "[{}]", '"origin"', "1", "true", "NaN", "1e400", '""', DEEP]
NO_JSON_TYPES = [
    *("", "json", "text/json", "text/plain", "application/xml", "application/jsonp", "\xff/\xfe"),
    *("application/x-www-form-urlencoded", "multipart/form-data", "application/json, text/plain"),
    *("multipart/form-data; boundary=x", f"application/{HUGE}"),
]


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


def send(client: ApiClient, operation: Operation, data: bytes | str, **headers: str):
    headers = {"Content-Type": "application/json"} | headers
    path = re.sub(r"{\w+}", "1", operation.path)
    return client.request(operation.method, path, data=data, headers=headers)


def with_value(body: Mapping[str, object], name: str, text: str) -> str:
    """The body as JSON, with this JSON text as the value of a field."""
    values = {field: json.dumps(value) for field, value in body.items()} | {name: text}
    return f"{{{', '.join(f'{json.dumps(field)}: {values[field]}' for field in values)}}}"


def good_value(schema: Mapping) -> object:
    good = "2026-01-02T03:04:05Z" if schema.get("format") == "date-time" else "something good"
    return schema.get("example", schema.get("enum", [good])[0])


def writable(operation: Operation) -> dict[str, Mapping]:
    fields = operation.body["properties"].items()
    return {name: schema for name, schema in fields if not schema.get("readOnly")}


def required_body(operation: Operation) -> dict[str, object]:
    """A body of the required fields."""
    required = set(operation.body.get("required", ()))
    return {name: value for name, value in full_body(operation).items() if name in required}


def full_body(operation: Operation) -> dict[str, object]:
    """A body of all writable fields."""
    return {name: good_value(schema) for name, schema in writable(operation).items()}


def bad_texts(schema: Mapping) -> list[str]:
    """Invalid texts for a field or a parameter with this schema."""
    if schema.get("format") == "date-time":
        return NO_TIMES
    if "enum" in schema:
        return [*BLANK, *UNPRINTABLE, *(f"{value} " for value in schema["enum"]), "NONE", HUGE]
    too_long = "x" * (schema.get("maxLength", len(HUGE)) + 1)
    if schema.get("format") == "password":
        return ["x" * (schema["minLength"] - 1), too_long, HUGE]
    if schema.get("format") == "email":
        return [*BLANK, *UNPRINTABLE, *NO_EMAILS, HUGE]
    return [*BLANK, *UNPRINTABLE, too_long, HUGE]


def bad_json(schema: Mapping) -> list[str]:
    """Invalid JSON values for a field with this schema."""
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    assert {*kinds} <= {"integer", "string", "boolean", "array", "null"}, (
        "a new kind of field needs its bad values"
    )
    if "boolean" in kinds:
        bad = NO_FLAGS
    elif "integer" in kinds:
        bad = NO_IDS
    elif "array" in kinds:
        bad = NO_LISTS
    else:
        bad = [*NO_TEXTS, *map(json.dumps, [*bad_texts(schema), *LONE_SURROGATES])]
    return [text for text in bad if text != "null" or "null" not in kinds]


def bad_parameters(schema: Mapping) -> list[str]:
    """Invalid values for a query parameter with this schema."""
    if schema["type"] == "array":
        schema = schema["items"]
    if schema["type"] == "integer":
        return [*NO_INTEGERS, str(schema["maximum"] + 1)]
    if schema["type"] == "boolean":
        return ["", " ", "1", "0", "yes", "True", "FALSE", "true\x00", "null", "true,false", HUGE]
    return bad_texts(schema)


def is_too_large(operation: Operation, data: bytes | str) -> bool:
    """Whether the body exceeds the limit of requests without a token, and is not read."""
    data = data if isinstance(data, bytes) else data.encode()
    return operation.path in PUBLIC and len(data) > MAX_PUBLIC_BODY_BYTES


class Refusals:
    """Collects the answers that are late or no 422 naming only the field."""

    def __init__(self):
        self.missing: list[str] = []

    def expect(self, field: str, sent: str, request: Callable, *arguments, **options) -> None:
        start = time.perf_counter()
        answer = request(*arguments, **options)
        seconds = time.perf_counter() - start
        errors = answer.json.get("errors", ()) if answer.status_code == 422 else ()
        named = {name[:MAX_NAME_TOLD] for name in errors}
        if answer.status_code == 413 and is_too_large(*arguments[1:3]):
            named = {field[:MAX_NAME_TOLD]}
        if named != {field[:MAX_NAME_TOLD]} or seconds > PATIENCE:
            told = f"{answer.status_code} {named or ''} after {seconds:.2f} s"
            self.missing.append(f"{field[:60]!r} {sent[:60]!r}: {told}")


each_body = pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, id=f"{operation.method} {operation.path}")
        for operation in operations()
        if operation.body
    ],
)
each_query = pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, id=f"{operation.method} {operation.path}")
        for operation in operations()
        if operation.query
    ],
)


def test_every_operation_that_writes_is_tested():
    writing = [operation for operation in operations() if operation.method != "GET"]
    others = {operation.path for operation in writing if not operation.body}
    assert others - WITHOUT_BODY == {"/loads/import"}, "which has tests of its own"


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_bad_field_value_is_refused_with_the_fields_name(client, operation):
    refusals, body = Refusals(), required_body(operation)
    for name, schema in writable(operation).items():
        for text in bad_json(schema):
            refusals.expect(name, text, send, client, operation, with_value(body, name, text))
    assert refusals.missing == []


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_unknown_and_read_only_fields_are_refused_by_name(client, operation):
    refusals, body = Refusals(), required_body(operation)
    read_only = set(operation.body["properties"]) - set(writable(operation))
    for name in (*read_only, "bogus", "", "_id", "__proto__", "🚚", "\x00", "\ud800", HUGE):
        for text in ("1", "null", '"text"'):
            refusals.expect(name, text, send, client, operation, with_value(body, name, text))
    assert refusals.missing == []


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_many_unknown_fields_are_refused_quickly_naming_only_some(client, operation):
    number_of_names = 5 if operation.path in PUBLIC else 50_000
    body = required_body(operation) | {f"{number}{'x' * 150}": 1 for number in range(30)}
    body |= {f"{number}": 1 for number in range(number_of_names)}
    started = time.thread_time()
    problem = assert_problem(send(client, operation, json.dumps(body)), 422, "validation_failed")
    assert time.thread_time() - started < 1
    assert len(problem["errors"]) == MAX_UNKNOWN_TOLD
    assert max(map(len, problem["errors"])) <= MAX_NAME_TOLD


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_missing_fields_are_refused_by_name(client, operation):
    refusals, body = Refusals(), required_body(operation)
    for name in body:
        less = {field: value for field, value in body.items() if field != name}
        refusals.expect(name, "missing", send, client, operation, json.dumps(less))
    assert refusals.missing == []
    if body:
        problem = assert_problem(send(client, operation, "{}"), 422, "validation_failed")
        assert set(problem["errors"]) == set(body)


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_duplicate_field_is_refused_by_name(client, operation):
    refusals, body = Refusals(), required_body(operation)
    for name, schema in writable(operation).items():
        good = json.dumps(good_value(schema))
        twice = f"{with_value(body, name, good)[:-1]}, {json.dumps(name)}: {good}}}"
        refusals.expect(name, "twice", send, client, operation, twice)
    assert refusals.missing == []


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_body_that_is_not_a_json_object_is_refused(client, operation):
    for data in NO_JSON:
        if is_too_large(operation, data):
            assert_problem(send(client, operation, data), 413, "body_too_large")
        else:
            assert_problem(send(client, operation, data), 400, "malformed_request")
    for text in NO_OBJECTS:
        assert_problem(send(client, operation, text), 422, "validation_failed")


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_body_in_another_encoding_than_utf_8_is_refused(client, operation):
    good = json.dumps(full_body(operation))
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-32-be", "cp037"):
        headers = {"Content-Type": f"application/json; charset={encoding}"}
        answer = send(client, operation, good.encode(encoding), **headers)
        assert answer.status_code in (400, 415), (encoding, answer.text)


@each_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_body_without_a_json_content_type_is_refused(client, operation):
    good = json.dumps(full_body(operation))
    for kind in NO_JSON_TYPES:
        answer = send(client, operation, good, **{"Content-Type": kind})
        assert_problem(answer, 415, "unsupported_media_type")


@each_body
def test_a_body_may_begin_with_a_byte_order_mark(client, operation):
    marked = codecs.BOM_UTF8 + json.dumps(full_body(operation)).encode()
    answer = send(client, operation, marked)
    assert answer.status_code not in (400, 415, 422), answer.text
    assert_problem(send(client, operation, codecs.BOM_UTF8 + marked), 400, "malformed_request")


@each_body
def test_a_valid_body_is_accepted(client, operation):
    body = json.dumps(full_body(operation))
    for kind in ("application/json", "Application/JSON; charset=UTF-8", "application/hal+json"):
        answer = send(client, operation, body, **{"Content-Type": kind})
        # 401 for an unknown login, 404 and 409 for a repeated body.
        assert answer.status_code in (200, 201, 401, 404, 409), answer.text


@each_query
def test_a_bad_query_parameter_is_refused_by_name(client, operation):
    refusals = Refusals()
    path = re.sub(r"{\w+}", "1", operation.path)
    for name, schema in operation.query.items():
        for text in bad_parameters(schema):
            refusals.expect(name, text, client.get, path, query_string={name: text})
    for name in ("bogus", "Limit", "offset", "id", "_id", "limit[]", "limit ", "", "\x00", HUGE):
        refusals.expect(name, "unknown", client.get, path, query_string={name: "1"})
    assert refusals.missing == []


INVALID_IDS = [
    "0",
    "-1",
    "+1",
    "01",
    "%201",
    "1.0",
    "1e3",
    "1e400",
    "NaN",
    "one",
    "null",
    "1,2",
    "٣",
]
INVALID_IDS += [
    "%00",
    "1%00",
    "%ED%A0%80",
    "%F0%9F%9A%9A",
    str(10**18),
    str(2**63),
    "9" * 5000,
    HUGE,
]


@pytest.mark.parametrize("path", sorted({each.path for each in operations() if "{" in each.path}))
@pytest.mark.usefixtures("nothing_changes")
def test_a_path_with_an_invalid_id_is_not_found(client, path):
    methods = [operation.method for operation in operations() if operation.path == path]
    for id_, method in product(INVALID_IDS, methods):
        answer = client.request(method, re.sub(r"{\w+}", id_, path))
        assert_problem(answer, 404, "not_found")


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**53 + 1, 10**18 - 1])
def test_ids_may_be_large(client, number):
    body = {"driverId": number, "loadId": 1}
    problem = assert_problem(client.post("/assignments", body), 404, "driver_not_found")
    assert str(number) in problem["detail"]
    for path in ("/assignments?driverId={}", "/assignments?loadId={}", "/audit?loadId={}"):
        assert client.get(path.format(number)).json == []
    for path in ("/users/{}", "/drivers/{}", "/loads/{}", "/loads/{}/timeline", "/assignments/{}"):
        assert client.get(path.format(number)).status_code == 404


UNUSUAL = ["🚚", "👩🏽\u200d✈️", "مرحبا (بغداد)", "שָׁלוֹם", "ไทย", "中文", "\u1eb9\u0301"]
UNUSUAL += ["'; DROP TABLE loads; --", "<script>", "%00", "\\u0000", "null", "=1+1", "\U0002a6df"]
IDENTIFIERS = ("licenseNumber", "reference")
"""What needs a letter or a digit, and must be unique."""


@each_body
def test_unusual_unicode_text_is_stored_unchanged_up_to_the_maximum_length(client, operation):
    for name, schema in writable(operation).items():
        if schema["type"] != "string" or "enum" in schema or "format" in schema:
            continue
        # Lengths are counted in characters, not in bytes.
        for number, text in enumerate([*UNUSUAL, "🚚" * schema["maxLength"]]):
            if name in IDENTIFIERS:
                text = f"{number} {text}"[: schema["maxLength"]]
            unique = {"email": f"{name}{number}@billor.example", "licenseNumber": f"{name}{number}"}
            body = required_body(operation)
            body |= {key: unique[key] for key in unique if key in body}
            answer = send(client, operation, json.dumps(body | {name: text}))
            if operation.path in PUBLIC:
                assert answer.status_code == 401, answer.text
                break
            assert answer.json[name] == text, answer.text
            shown = client.get(answer.headers.get("Location", answer.request.path))
            assert shown.json[name] == text


@each_body
def test_text_is_folded_in_every_field(client, operation):
    for name, schema in writable(operation).items():
        if "string" not in schema["type"] or "enum" in schema or "format" in schema:
            continue
        body = required_body(operation) | {name: "\u00a0Re\u0301my\t\u2003 7 "}
        answer = send(client, operation, json.dumps(body))
        if operation.path not in PUBLIC:
            assert answer.json[name] == "R\u00e9my 7", answer.text


@each_query
def test_text_is_folded_in_every_filter(client, operation):
    client.post("/users", {"name": "R\u00e9my 7", "email": "r\u00e9my@billor.example"})
    client.make_driver("R\u00e9my 7")
    places = dict.fromkeys(("origin", "destination", "cargoType", "reference"), "R\u00e9my 7")
    client.make_load(**places)
    for name, schema in operation.query.items():
        if "pattern" not in schema or name == "cursor":
            continue
        text = "re\u0301my@billor.example" if name == "email" else "re\u0301my\u00a0 7"
        answer = client.get(operation.path, query_string={name: f"\u2003{text}\n"})
        rows = answer.json if answer.is_json else answer.text.splitlines()[1:]
        assert len(rows) == 1, name


# Headers

MALFORMED_HEADERS = {
    "Accept": ["", "nonsense", "application/xml", "*/*;q=0", "text/html;q=x", "\xff", HUGE],
    "Accept-Encoding": ["nonsense", "\xff"],
    "Content-Length": ["5", "-1", "ten", "9" * 30],
    "Content-Type": ["nonsense", "\xff"],
    "Cookie": ["\xff=;;", HUGE],
    "If-Modified-Since": ["yesterday", "\xff"],
    "If-None-Match": ["", '"', "nonsense", 'W/"', ",,,", "\xff", HUGE],
    "Origin": ["null", "\xff"],
    "Range": ["bytes=0-1", "bytes=-1", "nonsense"],
    "User-Agent": ["\xff", HUGE],
    "X-Forwarded-For": ["\xff", HUGE],
    "X-HTTP-Method-Override": ["DELETE"],
    "X-Request-ID": ["", "\xff", "a b", HUGE],
}
"""Headers that a GET ignores."""
NO_CREDENTIALS = [
    *(
        "",
        "x",
        "\xff",
        "Basic Og==",
        "Bearer",
        "Bearer ",
        "Bearer  x",
        "Bearer a.b.c",
        "Bearer ...",
    ),
    *("Bearer \xff\xfe", f"Bearer {HUGE}", f"Bearer {'a.' * 50_000}"),
]
NO_ETAGS = [
    "",
    '"',
    "nonsense",
    'W/"',
    'W/"nonsense"',
    '"a", "b"',
    ",,,",
    '"*"',
    "*x",
    "\xff",
    HUGE,
]
NO_HOSTS = ["a b", "\xff", 'a"<>', "[::1", "a:b:c", "localhost:99999"]
WRONG_LENGTHS = ["0", "5", "1000", "999999999", "-1", "+5", "ten", "", "1e3", "9" * 30]


@pytest.mark.parametrize("path", ["/loads", "/loads/1", "/drivers", "/audit"])
def test_malformed_headers_do_not_change_the_answer(client, path):
    expected = client.get(path)
    for name, values in MALFORMED_HEADERS.items():
        for value in values:
            answer = client.get(path, headers={name: value})
            got = (answer.status_code, answer.text, answer.headers["ETag"])
            assert got == (200, expected.text, expected.headers["ETag"]), (name, value[:60])


def test_malformed_credentials_are_refused(client):
    for value in NO_CREDENTIALS:
        answer = client.get("/drivers", headers={"Authorization": value})
        code = "token_invalid" if value[:7] == "Bearer " and value[7:] else "token_missing"
        assert_problem(answer, 401, code)
    for extra in (" x", ",", "\xff", ".", "A"):
        headers = {"Authorization": f"Bearer {client.token}{extra}"}
        assert_problem(client.get("/drivers", headers=headers), 401, "token_invalid")


@pytest.mark.usefixtures("nothing_changes")
def test_a_malformed_etag_fails_the_precondition(client):
    for path, body in (
        ("/loads/1", {"origin": "Elsewhere"}),
        ("/drivers/1", {"name": "Changed"}),
        ("/assignments/1/status", {"status": "COMPLETED"}),
    ):
        for value in NO_ETAGS:
            answer = client.patch(path, body, headers={"If-Match": value})
            assert_problem(answer, 412, "precondition_failed")


@pytest.mark.usefixtures("nothing_changes")
def test_a_wrong_content_length_is_refused(client):
    good = json.dumps(LOAD).encode()
    for length in [*WRONG_LENGTHS, str(len(good) + 1), str(len(good) - 1)]:
        answer = client.post(
            "/loads",
            headers={"Content-Type": "application/json"},
            environ_overrides={"wsgi.input": BytesIO(good), "CONTENT_LENGTH": length},
        )
        expected = ("malformed_request", "body_incomplete", "body_too_large")
        assert answer.json["code"] in expected, length


with_body = pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, id=f"{operation.method} {operation.path}")
        for operation in operations()
        if "requestBody" in operation.said
    ],
)
CODINGS = ["gzip", "GZIP", "br", "deflate", "zstd", "x-gzip", "identity, gzip", "aes128gcm"]
CODINGS += ["gzip;q=1", "*", "utf-8", "\xff", HUGE]


def body_and_type(operation: Operation) -> tuple[bytes, str]:
    """A valid body of the operation."""
    if operation.body:
        return json.dumps(required_body(operation)).encode(), "application/json"
    return json.dumps(LOAD).encode(), "application/x-ndjson"


@with_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_compressed_body_is_refused_by_the_name_of_its_coding(client, operation):
    body, media_type = body_and_type(operation)
    for coding in CODINGS:
        headers = {"Content-Type": media_type, "Content-Encoding": coding}
        answer = send(client, operation, gzip.compress(body), **headers)
        problem = assert_problem(answer, 415, "unsupported_media_type")
        name = coding.removeprefix("identity, ")[:MAX_NAME_TOLD]
        assert f"Content-Encoding {name}." in problem["detail"], coding[:60]


@with_body
@pytest.mark.usefixtures("nothing_changes")
def test_a_body_with_a_transfer_coding_is_refused_by_its_name(client, operation):
    body, media_type = body_and_type(operation)
    for codings in ("gzip, chunked", "x-gzip,chunked", "Deflate, chunked", "gzip"):
        headers = {"Content-Type": media_type, "Transfer-Encoding": codings}
        answer = send(client, operation, gzip.compress(body), **headers)
        problem = assert_problem(answer, 415, "unsupported_media_type")
        assert f"Transfer-Encoding {codings.split(',')[0]}." in problem["detail"], codings


@with_body
def test_a_body_with_the_coding_identity_is_like_one_without(client, operation):
    body, media_type = body_and_type(operation)
    usual = send(client, operation, body, **{"Content-Type": media_type})
    for coding in ("identity", "Identity", "", " identity , identity"):
        headers = {"Content-Type": media_type, "Content-Encoding": coding}
        answer = send(client, operation, body, **headers)
        # What is created or completed already, is not again.
        assert answer.status_code in (usual.status_code, 409, 404), answer.text


def test_an_invalid_host_header_yields_relative_links_where_any_host_is_trusted(client, settings):
    for _ in range(2):
        client.make_load()
    with another_app(settings, BIND="192.0.2.1") as app:
        anywhere = ApiClient(app.test_client(), client.token)
        for host in NO_HOSTS:
            answer = anywhere.get("/loads?limit=1", headers={"Host": host})
            assert answer.headers["Link"].startswith("</loads?limit=1&cursor=")
