"""Whatever goes wrong is answered in one shape, and nothing bad gets past the schemas."""

import json
from http import HTTPStatus
from io import BytesIO

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from billor.events import outbox
from billor.extensions import db
from billor.loads import service
from tests.support.answers import assert_problem
from tests.support.apps import another_app, client_with_token, dead_address
from tests.support.client import ApiClient

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
# Nothing but its length is wrong with it.
TOO_MUCH = json.dumps(LOAD).encode().ljust(1024 * 1024 + 1)
USER = {"name": "Dana Dispatcher", "email": "dana@billor.example"}
DRIVER = {"name": "Alex Carter", "licenseNumber": "TX-1"}


@pytest.fixture
def client(app):
    return client_with_token(app)


def send(client, data, content_type="application/json", path="/loads", **options):
    headers = {"Content-Type": content_type} if content_type else {}
    return client.post(path, data=data, headers=headers, **options)


def send_chunked(client, data):
    """A body whose length nobody tells beforehand."""
    environ = {"wsgi.input": BytesIO(data), "wsgi.input_terminated": True}
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    return client.post("/loads", headers=headers, environ_overrides=environ)


def assign_twice(client):
    driver = client.make_driver()
    client.assign(driver, client.make_load())
    return client.post(
        "/assignments", {"driverId": driver["id"], "loadId": client.make_load()["id"]}
    )


ERRORS = {
    # JSON that is none.
    "no body": ("malformed_request", lambda client: send(client, b"")),
    "half a body": ("malformed_request", lambda client: send(client, b'{"origin": ')),
    "not UTF-8": ("malformed_request", lambda client: send(client, b'{"origin": "\xff"}')),
    "deep arrays": ("malformed_request", lambda client: send(client, b"[" * 200_000)),
    "deep objects": ("malformed_request", lambda client: send(client, b'{"a":' * 200_000)),
    "endless number": ("malformed_request", lambda client: send(client, b"9" * 10_000)),
    # JSON that is no object.
    "array": ("validation_failed", lambda client: send(client, b"[{}]")),
    "text": ("validation_failed", lambda client: send(client, b'"origin"')),
    "null": ("validation_failed", lambda client: send(client, b"null")),
    "NaN": ("validation_failed", lambda client: send(client, b"NaN")),
    # What is sent is something else, or too much.
    "no content type": ("unsupported_media_type", lambda client: send(client, b"{}", None)),
    "text/plain": ("unsupported_media_type", lambda client: send(client, b"{}", "text/plain")),
    "form": ("unsupported_media_type", lambda client: client.post("/loads", data=LOAD)),
    "over 1 MiB": ("body_too_large", lambda client: send(client, TOO_MUCH)),
    "over 1 MiB in chunks": ("body_too_large", lambda client: send_chunked(client, TOO_MUCH)),
    # Nobody, nowhere, no such method.
    "no token": (
        "token_missing",
        lambda client: client.get("/loads", headers={"Authorization": ""}),
    ),
    "wrong login": (
        "invalid_credentials",
        lambda client: client.post("/auth/login", {"email": "nobody", "password": "none"}),
    ),
    "unknown address": ("not_found", lambda client: client.get("/nowhere")),
    "unknown id": ("load_not_found", lambda client: client.get(f"/loads/{2**63 - 1}")),
    "unknown asset": ("not_found", lambda client: client.get("/docs/nothing.js")),
    "climbing": ("not_found", lambda client: client.get("/docs/..%2fpage.html")),
    "unknown method": ("method_not_allowed", lambda client: client.request("DELETE", "/loads/1")),
    # Against the rules.
    "conflict": ("driver_already_assigned", assign_twice),
    "bad body": ("validation_failed", lambda client: client.post("/loads", {})),
    "bad query": ("validation_failed", lambda client: client.get("/loads?limit=none")),
    "unknown parameter": ("validation_failed", lambda client: client.get("/drivers?bogus=1")),
}
STATUS_OF = {
    "malformed_request": 400,
    "token_missing": 401,
    "invalid_credentials": 401,
    "not_found": 404,
    "load_not_found": 404,
    "method_not_allowed": 405,
    "driver_already_assigned": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
}


@pytest.mark.parametrize(("code", "send_request"), ERRORS.values(), ids=ERRORS)
def test_every_error_is_a_problem_document(client, code, send_request):
    assert_problem(send_request(client), STATUS_OF[code], code)


@pytest.mark.parametrize("send_body", [send, send_chunked])
def test_a_body_of_1_mib_is_not_too_large(client, send_body):
    assert send_body(client, TOO_MUCH[:-1]).status_code == 201


def test_json_is_taken_under_its_other_names(client):
    body = json.dumps(LOAD).encode()
    for content_type in ("application/json; charset=utf-8", "application/vnd.billor+json"):
        assert send(client, body, content_type).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/loads", {"GET", "HEAD", "POST"}),
        ("DELETE", "/loads/1", {"GET", "HEAD", "PATCH"}),
        ("GET", "/auth/login", {"POST"}),
        ("MADE-UP", "/audit", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(anonymous, method, path, allowed):
    answer = anonymous.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) - {"OPTIONS"} == allowed


@pytest.mark.parametrize("thing", ["users", "drivers", "loads", "assignments"])
def test_a_path_id_that_can_be_nobodys_is_no_address(client, thing):
    for id_ in (0, -1, 2**63, 10**30, "9" * 5000, "1.0", "1e3", "+1", "%201", "one", "null", "1/"):
        assert_problem(client.get(f"/{thing}/{id_}"), 404, "not_found")


def raise_runtime_error(*_, **__):
    raise RuntimeError("hidden")


def raise_sql_error(*_, **__):
    db.session.execute(text("SELECT hidden FROM hidden"))


def raise_statement_timeout(*_, **__):
    db.session.execute(text("SET LOCAL statement_timeout = '10ms'"))
    db.session.execute(text("SELECT pg_sleep(60) AS hidden"))


def raise_pool_timeout(*_, **__):
    raise PoolTimeout("hidden")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (raise_runtime_error, 500, "internal_error"),
        (raise_sql_error, 500, "internal_error"),
        (raise_statement_timeout, 503, "database_busy"),
        (raise_pool_timeout, 503, "database_busy"),
    ],
)
@pytest.mark.parametrize(
    ("method", "service"), [("GET", "get_driver"), ("PATCH", "get_or_not_found")]
)
def test_what_breaks_inside_is_answered_without_its_text(
    client, monkeypatch, failure, status, code, method, service
):
    """Within a transaction (PATCH) as well as outside of one."""
    monkeypatch.setattr(f"billor.drivers.service.{service}", failure)
    answer = client.request(method, "/drivers/1", {} if method == "PATCH" else None)
    problem = assert_problem(answer, status, code)
    assert "hidden" not in answer.text
    assert not {"select", "psycopg", "sqlalchemy", "traceback"} & set(
        problem["detail"].lower().split()
    )
    assert ("Retry-After" in answer.headers) == (status == 503)
    monkeypatch.undo()
    assert client.get("/drivers").status_code == 200  # nothing of it stuck


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/login", {"email": "dana@billor.example", "password": "password"}),
        ("POST", "/users", USER),
        ("GET", "/drivers", None),
        ("POST", "/loads", LOAD),
        ("GET", "/loads", None),
        ("PATCH", "/loads/1", {"origin": "Elsewhere"}),
        ("POST", "/assignments", {"driverId": 1, "loadId": 1}),
        ("PATCH", "/assignments/1/status", {"status": "COMPLETED"}),
    ],
)
def test_while_postgresql_is_away_answers_are_503(settings, client, method, path, body):
    dead = dead_address()
    with another_app(settings, DATABASE_URL=f"postgresql://user:hidden@{dead}/name") as app:
        answer = ApiClient(app.test_client(), client.token).request(method, path, body)
    assert_problem(answer, 503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert not any(secret in answer.text for secret in ("hidden", *dead.split(":")))


def close_connections(url):
    """As a PostgreSQL that stops does, all of the app's."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'billor' AND datname = current_database()"
        )
        assert cursor.rowcount > 0
    connection.close()


def test_connections_that_postgresql_closed_cost_nobody_an_error(client, postgresql_url):
    load = client.make_load()
    close_connections(postgresql_url)
    assert client.get(f"/loads/{load['id']}").json == load


def test_a_connection_that_is_lost_once_the_answer_is_known_is_no_error(
    client, postgresql_url, monkeypatch
):
    load = client.make_load()
    get_load = service.get_load

    def get_and_lose(load_id):
        found = get_load(load_id)
        close_connections(postgresql_url)
        return found

    monkeypatch.setattr(service, "get_load", get_and_lose)
    answer = client.get(f"/loads/{load['id']}")
    assert (answer.status_code, answer.json) == (200, load)


def test_a_connection_that_is_lost_within_a_transaction_is_an_outage(
    client, postgresql_url, monkeypatch
):
    load = client.make_load()
    monkeypatch.setattr(outbox, "record", lambda *_, **__: close_connections(postgresql_url))
    answer = client.patch(f"/loads/{load['id']}", {"origin": "Elsewhere"})
    assert_problem(answer, 503, "database_unavailable")
    monkeypatch.undo()
    assert client.get(f"/loads/{load['id']}").json == load


BAD_TEXTS = {
    "empty": "",
    "blank": " \t\n\u3000",
    "NUL": "\x00",
    "NUL inside": "a\x00b",
    "escape": "a\x1b[31mb",
    "new line inside": "a\nb",
    "delete": "a\x7fb",
    "C1": "a\x85b",
    "lone high surrogate": "a\ud800b",
    "lone low surrogate": "\udfff",
    "number": 1,
    "float": 1.5,
    "boolean": True,
    "null": None,
    "array": ["a"],
    "object": {"a": "b"},
}
TEXT_FIELDS = [
    ("/users", USER, "name", 200),
    ("/drivers", DRIVER, "name", 200),
    ("/drivers", DRIVER, "licenseNumber", 64),
    ("/loads", LOAD, "origin", 200),
    ("/loads", LOAD, "destination", 200),
    ("/loads", LOAD, "cargoType", 100),
]


def not_refused_for(answers, *fields):
    """Of some answers, by what was sent, those that are not a 422 that names exactly these."""
    return {
        sent: (answer.status_code, answer.text)
        for sent, answer in answers.items()
        if answer.status_code != 422 or set(answer.json["errors"]) != set(fields)
    }


@pytest.mark.parametrize(("path", "body", "field", "longest"), TEXT_FIELDS)
def test_bad_texts_are_refused_and_long_ones_kept_whole(client, path, body, field, longest):
    bad = BAD_TEXTS | {"too long": "x" * (longest + 1)}
    answers = {name: client.post(path, body | {field: value}) for name, value in bad.items()}
    assert not_refused_for(answers, field) == {}
    # Characters count, not bytes.
    answer = client.post(path, body | {field: "🚚" * longest})
    assert (answer.status_code, answer.json[field]) == (201, "🚚" * longest)


@pytest.mark.parametrize(
    ("make", "path", "field"),
    [
        (lambda client: client.make_load(), "/loads/1", "origin"),
        (lambda client: client.make_load(), "/loads/1", "destination"),
        (lambda client: client.make_load(), "/loads/1", "cargoType"),
        (lambda client: client.make_driver(), "/drivers/1", "name"),
        (lambda client: client.make_driver(), "/drivers/1", "licenseNumber"),
    ],
)
def test_a_patch_refuses_bad_texts_too(client, make, path, field):
    before = make(client)
    bad = BAD_TEXTS | {"too long": "x" * 201}
    answers = {name: client.patch(path, {field: value}) for name, value in bad.items()}
    assert not_refused_for(answers, field) == {}
    assert client.get(path).json == before


def test_bad_texts_are_refused_in_queries_too(client):
    texts = {name: value for name, value in BAD_TEXTS.items() if isinstance(value, str)}
    for field in ("origin", "destination", "cargoType"):
        answers = {
            name: client.get("/loads", query_string={field: value})
            for name, value in texts.items()
            if "surrogate" not in name  # no query string can hold one
        }
        answers["too long"] = client.get("/loads", query_string={field: "x" * 201})
        assert not_refused_for(answers, field) == {}


@pytest.mark.parametrize("field", ["driverId", "loadId"])
def test_an_id_in_a_body_is_a_whole_number_that_postgresql_can_hold(client, field):
    # As JSON texts, since some are none that Python would write.
    bad = ("0", "-1", "1.0", "1.5", "1e3", "1e400", "-1e400", "NaN", "Infinity", "true", "null")
    bad += (str(2**63), "9" * 4000, '"1"', '""', "[1]", "[]", "{}")
    ids = {"driverId": "1", "loadId": "1"}
    answers = {}
    for value in bad:
        driver_id, load_id = (ids | {field: value}).values()
        body = f'{{"driverId": {driver_id}, "loadId": {load_id}}}'
        answers[value] = send(client, body.encode(), path="/assignments")
    assert not_refused_for(answers, field) == {}
    largest = client.post("/assignments", {"driverId": 2**63 - 1, "loadId": 2**63 - 1})
    assert_problem(largest, 404, "driver_not_found")


@pytest.mark.parametrize(
    ("path", "field"), [("/assignments", "driverId"), ("/assignments", "loadId")]
)
def test_an_id_in_a_query_is_written_in_plain_digits(client, path, field):
    bad = ("0", "-1", "+1", " 1", "1.0", "1e3", "1e400", "NaN", "true", "", "٣", "1_0", "1,2")
    bad += (str(2**63), "9" * 5000)
    answers = {value: client.get(path, query_string={field: value}) for value in bad}
    assert not_refused_for(answers, field) == {}
    assert client.get(f"{path}?{field}={2**63 - 1}").json == []


READ_ONLY = {"id": 1, "createdAt": "2026-01-02T03:04:05Z", "bogus": 1, "": 1, "\ud800": 1}


@pytest.mark.parametrize(
    ("path", "body", "more"),
    [
        ("/users", USER, {"passwordHash": "x", "password_hash": "x"}),
        ("/drivers", DRIVER, {"license_number": "TX-1"}),
        ("/loads", LOAD, {"status": "ASSIGNED", "updatedAt": None, "cargo_type": "Dry van"}),
        (
            "/assignments",
            {"driverId": 1, "loadId": 1},
            {"status": "ASSIGNED", "assignedAt": None, "closedAt": None, "driver": {}, "load": {}},
        ),
        ("/auth/login", {"email": "e", "password": "p"}, {"remember": True}),
    ],
)
def test_unknown_and_read_only_fields_are_refused_by_name(client, path, body, more):
    wrong = READ_ONLY | more
    answers = {"all at once": client.post(path, body | wrong)}
    assert not_refused_for(answers, *wrong) == {}


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/loads/1", READ_ONLY | {"updatedAt": None, "driverId": 1}),
        ("/drivers/1", READ_ONLY | {"available": True}),
        ("/assignments/1/status", {"driverId": 1, "loadId": 1, "closedAt": None}),
    ],
)
def test_a_patch_refuses_unknown_and_read_only_fields_by_name(client, path, wrong):
    client.assign(client.make_driver(), client.make_load())
    body = {"status": "COMPLETED"} if "assignments" in path else {}
    before = client.get("/assignments/1").json
    assert not_refused_for({"all at once": client.patch(path, body | wrong)}, *wrong) == {}
    assert client.get("/assignments/1").json == before


@pytest.mark.parametrize("path", ["/users", "/drivers", "/loads", "/assignments", "/audit"])
def test_unknown_query_parameters_are_refused_by_name(client, path):
    for name in ("bogus", "Limit", "offset", "id"):
        problem = assert_problem(client.get(f"{path}?{name}=1&limit=1"), 422, "validation_failed")
        assert list(problem["errors"]) == [name]


def test_every_missing_field_is_named(client):
    for path, body in (("/users", USER), ("/drivers", DRIVER), ("/loads", LOAD)):
        problem = assert_problem(client.post(path, {}), HTTPStatus(422), "validation_failed")
        assert set(problem["errors"]) == set(body)
