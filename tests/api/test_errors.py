"""Every error is a problem document with its own code, which says what to do."""

import html
import json
import re
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from billor.api.middleware import SECURITY_HEADERS
from billor.api.problems import http_problem
from billor.audit.sqlite import SqliteStore
from billor.errors import CODES
from billor.loads.exporting import MAX_EXPORTS
from billor.loads.importing import MAX_IMPORTS, import_slot
from billor.models import db
from tests.support.answers import WHAT_TO_DO, assert_problem
from tests.support.apps import DEAD_ADDRESS, another_app, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import Operation, operations
from tests.support.databases import run_sql
from tests.support.photos import PDF
from tests.support.rival import rival, short_lock_timeout

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
# Invalid only by its length.
TOO_MUCH = json.dumps(LOAD).encode().ljust(1024 * 1024 + 1)
KEY = {"Idempotency-Key": "monday"}


@dataclass(frozen=True)
class Scene:
    """What the causes of errors need."""

    client: ApiClient
    app: Flask
    settings: dict[str, str]
    folder: Path
    patch: pytest.MonkeyPatch


@pytest.fixture
def scene(client, app, settings, tmp_path, monkeypatch) -> Scene:
    return Scene(client, app, settings, tmp_path, monkeypatch)


def send(client, data, content_type="application/json", path="/loads"):
    return client.post(path, data=data, headers={"Content-Type": content_type})


def send_chunked(client, data):
    """Send a chunked body, without Content-Length."""
    environ = {"wsgi.input": BytesIO(data), "wsgi.input_terminated": True}
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    return client.post("/loads", headers=headers, environ_overrides=environ)


def assign(scene, driver, load, **fields):
    return scene.client.post("/assignments", {"driverId": driver, "loadId": load, **fields})


def reopened_late(scene):
    assignment = scene.client.assign(scene.client.make_driver(), scene.client.make_load())
    scene.client.close(assignment, "COMPLETED")
    long_ago = "closed_at = closed_at - interval '2 days'"
    run_sql(scene.app, f"UPDATE driver_load_assignments SET {long_ago}")  # noqa: S608
    return scene.client.post("/assignments/1/reopen", {"reason": "A wrong tap"})


def key_in_use(scene):
    with short_lock_timeout(), rival(scene.app) as twin:
        twin.execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint) VALUES (1, 'monday', '')"
        )
        return scene.client.post("/loads", LOAD, headers=KEY)


def raise_runtime_error(*_, **__):
    raise RuntimeError("hidden")


def raise_statement_timeout(*_, **__):
    db.session.execute(text("SET LOCAL statement_timeout = '10ms'"))
    db.session.execute(text("SELECT pg_sleep(60) AS hidden"))


def raise_deadline_exceeded(*_, **__):
    raise TimeoutError


def reading(failure):
    def cause(scene):
        scene.patch.setattr("billor.drivers.routes.get_or_not_found", failure)
        return scene.client.get("/drivers/1")

    return cause


def writing(failure):
    """Fail within a transaction."""

    def cause(scene):
        scene.patch.setattr("billor.drivers.service.lock", failure)
        return scene.client.patch("/drivers/1", {})

    return cause


def without_database(method, path, body=None):
    def cause(scene):
        url = f"postgresql://user:hidden@{DEAD_ADDRESS}/hidden"
        with another_app(scene.settings, DATABASE_URL=url) as app:
            return ApiClient(app.test_client(), scene.client.token).request(method, path, body)

    return cause


def without_audit_store(scene):
    (scene.folder / "file").touch()
    store = SqliteStore(scene.folder / "file" / "hidden.sqlite3")
    scene.patch.setitem(scene.app.extensions, "audit_store", store)
    return scene.client.get("/audit")


def without_document_store(scene):
    scene.client.make_load()
    (scene.folder / "file").touch()
    url = (scene.folder / "file" / "hidden").as_uri()
    with another_app(scene.settings, DOCUMENTS_URL=url) as app:
        return ApiClient(app.test_client(), scene.client.token).post("/loads/1/documents", data=PDF)


def many_exports(scene):
    running = [scene.client.get("/loads.csv") for _ in range(MAX_EXPORTS)]
    try:
        return scene.client.get("/loads.csv")
    finally:
        for export in running:
            export.close()


def many_imports(scene):
    headers = {"Content-Type": "application/x-ndjson"}
    with ExitStack() as running:
        for _ in range(MAX_IMPORTS):
            running.enter_context(import_slot())
        return scene.client.post("/loads/import", data=b"{}", headers=headers)


Cause = Callable[[Scene], object]
CASES: list[tuple[int, str, Cause]] = [
    (400, "untrusted_host", lambda of: of.client.get("/loads", headers={"Host": "evil.example"})),
    (404, "not_found", lambda of: of.client.get("/nowhere")),
    (404, "event_not_found", lambda of: of.client.get(f"/events?after={uuid.UUID(int=1)}")),
    (404, "driver_not_found", lambda of: assign(of, 1, of.client.make_load()["id"])),
    (404, "load_not_found", lambda of: assign(of, of.client.make_driver()["id"], 1)),
    (405, "method_not_allowed", lambda of: of.client.request("DELETE", "/loads/1")),
    (409, "too_late_to_reopen", reopened_late),
    (409, "idempotency_key_in_use", key_in_use),
    (413, "body_too_large", lambda of: send(of.client, TOO_MUCH)),
    (413, "body_too_large", lambda of: send_chunked(of.client, TOO_MUCH)),
    # The limit for those without a token.
    (413, "body_too_large", lambda of: of.client.post("/auth/login", {"": "x" * 8192})),
    (422, "import_refused", lambda of: send(of.client, b"", "text/csv", "/loads/import")),
    (500, "internal_error", reading(raise_runtime_error)),
    (500, "internal_error", writing(raise_runtime_error)),
    (503, "database_unavailable", without_database("GET", "/loads")),  # which is cached
    (503, "database_unavailable", without_database("POST", "/loads", LOAD)),
    (503, "database_busy", reading(raise_statement_timeout)),
    (503, "database_busy", writing(raise_statement_timeout)),
    (503, "audit_unavailable", without_audit_store),
    (503, "documents_unavailable", without_document_store),
    (503, "imports_busy", many_imports),
    (503, "exports_busy", many_exports),
    (503, "request_timeout", reading(raise_deadline_exceeded)),
    (503, "request_timeout", writing(raise_deadline_exceeded)),
]


def missing(operation: Operation) -> Cause:
    path = re.sub(r"{\w+}", str(10**18 - 1), operation.path)
    body = operation.full_body if operation.body else None
    file = {"data": PDF} if path.endswith("/documents") else {}
    return lambda scene: scene.client.request(operation.method, path, body, **file)


def made_twice(operation: Operation) -> Cause:
    def cause(scene):
        scene.client.make_driver()
        assert scene.client.post(operation.path, operation.full_body).status_code == 201
        return scene.client.post(operation.path, operation.full_body)

    return cause


MISSING = [
    (f"{thing}_not_found", missing(each))
    for each in operations()
    for thing in re.findall(r"{(\w+)_id}", each.path)[-1:]
]
CASES += [
    (409, code, made_twice(each))
    for each in operations()
    for code in each.codes(409)
    if each.method == "POST" and code.endswith("_taken")
]
OF_THE_SERVER = {"uri_too_long", "expectation_failed", "headers_too_large", "not_implemented"}
OF_THE_SERVER |= {"body_incomplete"}
"""What needs a real server: `test_nobody_in` and `test_whole_bodies` test them."""
HEADER_OF = {
    "idempotency_key_in_use": ("Retry-After", r"[1-9]\d*"),
    405: ("Allow", r"[A-Z]+(, [A-Z]+)*"),
    503: ("Retry-After", r"[1-9]\d*"),
}


@pytest.mark.parametrize(("status", "code", "cause"), CASES)
def test_an_error_is_a_problem_document_with_its_headers(scene, status, code, cause):
    answer = cause(scene)
    assert_problem(answer, status, code)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.getlist(name) == [value]
    assert uuid.UUID(answer.headers["X-Request-ID"])
    header, pattern = HEADER_OF.get(code) or HEADER_OF.get(status, ("Content-Type", ".+"))
    assert re.fullmatch(pattern, answer.headers[header])
    # The next request is not affected.
    scene.patch.undo()
    assert scene.client.get("/drivers").status_code == 200


def test_what_does_not_exist_is_not_found(scene):
    scene.client.make_driver()
    give_driver_token(scene.client, scene.app)
    for code, cause in MISSING:
        assert_problem(cause(scene), 404, code)


def test_every_error_code_is_tested():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    named = {code for code in CODES if f'"{code}"' in tests}
    tested = named | {code for _, code, _ in CASES} | {code for code, _ in MISSING}
    assert set(CODES) - OF_THE_SERVER - tested == set(), "add a test that causes it"
    for code, entry in CODES.items():
        assert WHAT_TO_DO.search(entry.detail), (code, entry.detail)


def test_the_type_of_a_problem_is_a_page_that_explains_its_code(anonymous):
    for code, (status, detail) in CODES.items():
        page = anonymous.get(f"/docs/problems/{code}")
        assert (page.status_code, page.mimetype) == (200, "text/html")
        for each in (code, str(status), detail):
            assert each in html.unescape(page.text), code
            assert each in html.unescape(anonymous.get("/docs/problems").text), code
    assert_problem(anonymous.get("/docs/problems/nonsense"), 404, "not_found")
    general = http_problem(406).json
    assert (general["type"], general["code"]) == ("about:blank", "not_acceptable")


@pytest.mark.parametrize("send_body", [send, send_chunked])
def test_a_body_of_1_mib_is_accepted(client, send_body):
    assert send_body(client, TOO_MUCH[:-1]).status_code == 201
