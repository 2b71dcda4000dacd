"""Conditional requests: If-None-Match spares a body, If-Match prevents lost updates."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import func, select, update

from billor.database import transaction
from billor.extensions import cache, db
from billor.models import Load, LoadEvent, User
from tests.support.answers import assert_problem, next_page
from tests.support.apps import another_app, client_with_token, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import operations
from tests.support.redis_wire import RedisWire
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS

STRONG = re.compile(r'"[^"]+"')
SHOWN = {
    operation.path: re.sub(r"{\w+}", "1", operation.path)
    for operation in operations()
    if operation.method == "GET"
    and operation.needs_token
    and operation.documents(200, "application/json", None)
}
"""Every GET of JSON by its path, with an address that has content."""


def audit_document(number: int) -> dict:
    return {
        "_id": str(number),
        "type": "LOAD_CREATED",
        "loadId": 1,
        "driverId": None,
        "assignmentId": None,
        "payload": {"load": {"id": 1}},
        "timestamp": f"2026-01-02T03:04:0{number}.000000Z",
        "requestId": None,
    }


def account_document(number: int) -> dict:
    return {
        "_id": f"a{number}",
        "type": "USER_CREATED",
        "userId": 1,
        "payload": {"account": {"id": 1}},
        "timestamp": f"2026-01-02T03:04:0{number}.000000Z",
        "requestId": None,
    }


@pytest.fixture
def record(app):
    """Put an audit document of a load and one of an account into the store."""
    return lambda number: app.extensions["audit_store"].save(
        [audit_document(number), account_document(number)]
    )


@pytest.fixture
def client(app, record):
    """With a free driver 2 and an open load 1; driver 1 has load 2 by assignment 1."""
    client = client_with_token(app)
    client.make_load()
    client.assign(client.make_driver("TX-1"), client.make_load())
    client.make_driver("TX-2")
    record(1)
    return give_driver_token(client, app)


@pytest.fixture
def change(app, client, record) -> dict[str, Callable]:
    """By the path of a GET, a change of its content."""

    def rename_user() -> None:
        with app.app_context(), transaction():
            db.session.execute(update(User).values(name="Dana Dispatcher"))

    def move_load() -> None:
        with app.app_context(), transaction():
            db.session.execute(update(Load).values(origin="Waco, TX"))

    def count_another_load() -> None:
        client.make_load()
        with app.app_context():
            cache.cache.client.flushdb()

    user = {"name": "Dana Dispatcher", "email": "dana@billor.example"}
    return {
        "/users": lambda: client.post("/users", user),
        "/users/{user_id}": rename_user,
        "/drivers": lambda: client.make_driver("TX-3"),
        "/drivers/{driver_id}": lambda: client.patch("/drivers/1", {"name": "Dana Dispatcher"}),
        "/loads": client.make_load,
        "/loads/{load_id}": lambda: client.patch("/loads/1", {"origin": "Waco, TX"}),
        "/loads/{load_id}/timeline": lambda: client.patch("/loads/1", {"origin": "Waco, TX"}),
        "/assignments": lambda: client.close({"id": 1}, "COMPLETED"),
        "/assignments/{assignment_id}": lambda: client.close({"id": 1}, "COMPLETED"),
        "/audit": lambda: record(2),
        "/stats": count_another_load,
        "/audit/accounts": lambda: record(2),
        "/me": rename_user,
        "/me/assignment": move_load,
        "/me/assignments": lambda: client.close({"id": 1}, "COMPLETED"),
    }


ALTERED = ["W/{}", "w/{}", '"{bare}-gzip"', 'W/"{bare}-br"', '"{bare}--gzip"', '"{bare};gzip"']
ALTERED += ['"other", W/"{bare}-gzip"', '"{bare}-zstd" , "other"', '"{bare}-deflate"']
"""ETags that proxies made of ours when they compressed the answer."""


def etag_at(client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def test_every_get_of_json_is_tested(change):
    assert set(SHOWN) == set(change)


@pytest.mark.parametrize("path", SHOWN)
def test_etag_is_strong_and_changes_with_the_content(client, path, change):
    first = client.get(SHOWN[path])
    etag = first.headers["ETag"]
    assert first.status_code == 200
    assert STRONG.fullmatch(etag)
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in first.headers["Vary"]

    change[path]()
    changed = client.get(SHOWN[path], headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.data != first.data
    assert changed.headers["ETag"] != etag


def test_etag_is_the_same_in_every_process(client, settings):
    with another_app(settings) as another:
        other_client = ApiClient(another.test_client(), client.token, client.driver_token)
        for address in SHOWN.values():
            assert etag_at(client, address) == etag_at(other_client, address), address


def test_head_has_the_headers_of_get(client):
    for address in SHOWN.values():
        client.get(address)  # fills the cache for both
        answer, head = client.get(address), client.request("HEAD", address)
        assert (head.status_code, head.data) == (200, b""), address
        for name in ("ETag", "Cache-Control", "Vary", "Content-Type", "Content-Length"):
            assert head.headers[name] == answer.headers[name], (address, name)


def assert_not_modified(again, answer) -> None:
    of_the_body = {"Content-Type", "Content-Length", "X-Request-ID", "X-Cache"}
    kept = {name: value for name, value in answer.headers if name not in of_the_body}
    assert {"ETag", "Vary", "Cache-Control", "X-Content-Type-Options"} <= set(kept)
    assert (again.status_code, again.data) == (304, b"")
    assert {name: value for name, value in again.headers if name in kept} == kept
    assert not {"Content-Type", "Content-Length"} & set(again.headers.keys())
    assert ("X-Cache" in again.headers) == ("X-Cache" in answer.headers)


def test_matching_etag_is_answered_304_without_a_body(client):
    for address in SHOWN.values():
        answer = client.get(address)
        headers = {"If-None-Match": answer.headers["ETag"]}
        for method in ("GET", "HEAD"):
            assert_not_modified(client.request(method, address, headers=headers), answer)


def test_if_none_match_compares_weakly(client):
    answer = client.get("/loads/1")
    for form in ("W/{}", '"other", {}', '"a",W/{} , "b"', "*", *ALTERED):
        given = form.format(answer.headers["ETag"], bare=answer.headers["ETag"].strip('"'))
        assert_not_modified(client.get("/loads/1", headers={"If-None-Match": given}), answer)


def test_another_etag_is_answered_with_the_body(client):
    answer = client.get("/loads/1")
    for given in ("", '"other"', 'W/"other"', '"other", W/"another"', '"', "'*'"):
        again = client.get("/loads/1", headers={"If-None-Match": given})
        assert (again.status_code, again.data) == (200, answer.data), given


def test_etag_and_304_are_the_same_with_and_without_cache(client, monkeypatch):
    address = "/loads?limit=1"
    wire = RedisWire(monkeypatch)
    first = client.get(address)
    assert first.headers["X-Cache"] == "MISS"
    assert next_page(first)

    def assert_answers(*expected: str) -> None:
        """To a request with If-None-Match, then to one without."""
        headers = {"If-None-Match": first.headers["ETag"]}
        unchanged, again = client.get(address, headers=headers), client.get(address)
        assert (unchanged.status_code, again.status_code) == (304, 200)
        assert (unchanged.headers["X-Cache"], again.headers["X-Cache"]) == expected
        for answer in (unchanged, again):
            assert answer.headers["ETag"] == first.headers["ETag"]
            assert next_page(answer) == next_page(first)

    assert_answers("HIT", "HIT")
    client.patch("/loads/1", {"origin": "Waco, TX"})  # is not on this page
    assert_answers("MISS", "HIT")
    wire.cut = True
    assert_answers("BYPASS", "BYPASS")


def test_etag_changes_when_a_next_page_appears(client):
    address = "/loads/1/timeline?limit=1"
    last = client.get(address)
    assert next_page(last) is None
    client.patch("/loads/1", {"origin": "Waco, TX"})
    answer = client.get(address, headers={"If-None-Match": last.headers["ETag"]})
    assert answer.status_code == 200
    assert answer.data == last.data
    assert next_page(answer)


def test_health_is_not_stored_and_has_no_etag(anonymous):
    for address in ("/healthz", "/readyz"):
        answer = anonymous.get(address, headers={"If-None-Match": "*"})
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


def test_problem_has_no_etag(client, anonymous):
    for answer, status in (
        (client.get("/loads/99", headers={"If-None-Match": "*"}), 404),
        (client.get("/loads?limit=0", headers={"If-None-Match": "*"}), 422),
        (anonymous.get("/loads", headers={"If-None-Match": "*"}), 401),
    ):
        assert answer.status_code == status
        assert "ETag" not in answer.headers


@dataclass(frozen=True)
class Update:
    """A PATCH, its body, and another PATCH that changes the same resource first."""

    path: str
    shown_at: str
    """The address of the GET whose ETag it takes."""
    body: dict
    faster: tuple[str, dict]
    table: str
    """The table of its row."""


FASTER_USER = ("/users/1", {"name": "Dana"})
FASTER_LOAD = ("/loads/1", {"cargoType": "Reefer"})
FASTER_DRIVER = ("/drivers/1", {"name": "Dana Dispatcher"})
UPDATES = {
    "/loads/{load_id}": Update(
        "/loads/1", "/loads/1", {"origin": "Waco, TX"}, FASTER_LOAD, "loads"
    ),
    "/drivers/{driver_id}": Update(
        "/drivers/1", "/drivers/1", {"licenseNumber": "TX-7"}, FASTER_DRIVER, "drivers"
    ),
    "/users/{user_id}": Update("/users/1", "/users/1", {"name": "Robin"}, FASTER_USER, "users"),
    "/me": Update("/me", "/me", {"name": "Robin"}, FASTER_USER, "users"),
    "/assignments/{assignment_id}/status": Update(
        "/assignments/1/status",
        "/assignments/1",
        {"status": "CANCELLED"},
        FASTER_DRIVER,
        "driver_load_assignments",
    ),
}
every_patch = pytest.mark.parametrize("patch", UPDATES.values(), ids=UPDATES)


def send(client, patch: Update, if_match: str):
    return client.patch(patch.path, patch.body, headers={"If-Match": if_match})


def test_every_patch_takes_if_match_and_is_tested():
    patches = {o.path: o.parameters for o in operations() if o.method == "PATCH"}
    # What it changes is no longer shown then, as test_me.py tests.
    assert patches.pop("/me/assignment/status") == ["Idempotency-Key", "If-Match"]
    assert patches == {path: ["Idempotency-Key", "If-Match"] for path in UPDATES}


@every_patch
def test_patch_answers_with_the_new_etag(client, patch):
    old = etag_at(client, patch.shown_at)
    answer = send(client, patch, old)
    new = answer.headers["ETag"]
    shown = client.get(patch.shown_at)
    assert answer.status_code == 200, answer.text
    assert answer.json == shown.json
    assert {name: answer.json[name] for name in patch.body} == patch.body
    assert new == shown.headers["ETag"] != old
    again = send(client, patch, new)
    assert (again.status_code, again.json) == (200, answer.json)


@every_patch
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"{}-gzip"'])
def test_stale_etag_fails_the_precondition_and_changes_nothing(app, client, patch, form):
    stale = form.format(etag_at(client, patch.shown_at).strip('"'))
    path, body = patch.faster
    assert client.patch(path, body).status_code == 200

    def look() -> tuple:
        with app.app_context():
            events = db.session.scalar(select(func.count()).select_from(LoadEvent))
        return client.get(patch.shown_at).json, client.get("/loads").json, events

    before = look()
    assert_problem(send(client, patch, stale), 412, "precondition_failed")
    assert look() == before
    assert send(client, patch, etag_at(client, patch.shown_at)).status_code == 200


def test_if_match_takes_any_current_etag_or_star(client):
    for number, form in enumerate(["*", '"other", {}', '{} ,W/"other"', *ALTERED]):
        etag = etag_at(client, "/loads/1")
        given = form.format(etag, bare=etag.strip('"'))
        body = {"origin": f"Waco {number}"}
        answer = client.patch("/loads/1", body, headers={"If-Match": given})
        assert (answer.status_code, answer.json["origin"]) == (200, body["origin"]), form


NO_MATCHES = ["", " ", '"other"', 'W/"other"', "garbage", '"', "'{}'", "{}x", '""', 'W/""']
NO_MATCHES += ['"{bare}x"', '"{bare}-gzipped"', '"{bare}-"', '"-gzip"', '"{bare}-gzip-gzip"']


def test_if_match_without_its_etag_fails_the_precondition(client):
    etag = etag_at(client, "/loads/1")
    for form in NO_MATCHES:
        given = form.format(etag, bare=etag.strip('"'))
        answer = send(client, UPDATES["/loads/{load_id}"], given)
        assert_problem(answer, 412, "precondition_failed")
    assert etag_at(client, "/loads/1") == etag


def test_unknown_id_is_not_found_before_the_precondition(client):
    for patch in UPDATES.values():
        if patch.path == "/me":
            continue
        for given in ("*", '"other"', ""):
            path = patch.path.replace("1", "99")
            answer = client.patch(path, patch.body, headers={"If-Match": given})
            assert answer.status_code == 404, (path, given)


def test_bad_body_is_refused_before_the_precondition(client):
    headers = {"If-Match": '"other"', "Content-Type": "application/json"}
    for patch in UPDATES.values():
        for data, status, code in (
            ('{"bogus": 1}', 422, "validation_failed"),
            ("{", 400, "malformed_request"),
        ):
            assert_problem(client.patch(patch.path, data=data, headers=headers), status, code)


def test_precondition_fails_before_a_conflict(client):
    seen = etag_at(client, "/loads/1")
    client.assign({"id": 2}, {"id": 1})
    for etag, status, code in (
        (seen, 412, "precondition_failed"),
        (etag_at(client, "/loads/1"), 409, "load_not_editable"),
    ):
        answer = client.patch("/loads/1", {"origin": "Waco, TX"}, headers={"If-Match": etag})
        assert_problem(answer, status, code)


@every_patch
def test_one_of_two_concurrent_patches_fails_the_precondition(app, client, patch):
    etag = etag_at(client, patch.shown_at)
    clients = [ApiClient(app.test_client(), client.token) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads, rival(app) as somebody:
        somebody.execute(f"SELECT FROM {patch.table} WHERE id = 1 FOR UPDATE")
        sent = [threads.submit(send, client, patch, etag) for client in clients]
        somebody.wait_until_waited_for(2)
        somebody.give_way()
        answers = [answer.result(WAIT_SECONDS) for answer in sent]
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert done.status_code == 200
    assert_problem(refused, 412, "precondition_failed")
    assert client.get(patch.shown_at).json == done.json
