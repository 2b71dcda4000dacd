"""Idempotency-Key: a retry of a write gets the first answer and does nothing again."""

import json

import pytest
from flask_jwt_extended import create_access_token
from sqlalchemy import func, select

from billor.assignments.mine import POINT
from billor.cache import PageCache
from billor.models import IdempotencyKey, Load, LoadEvent, db
from tests.support.answers import assert_invalid, assert_problem, in_lists
from tests.support.apps import another_app, client_with_key, client_with_token, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import Operation, operations
from tests.support.databases import run_sql
from tests.support.photos import PDF

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
REPLAYED = "Idempotency-Replayed"
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
OTHER_LOAD = LOAD | {"origin": "Waco, TX"}
WITHOUT_KEY = {
    *("/auth/login", "/auth/refresh", "/auth/logout", "/auth/logout-all", "/me/password"),
    *("/auth/password-reset", "/auth/password-reset/confirm"),
}
WITHOUT_KEY |= {"/api-keys"}
"""Their answers are secrets, or end the user's tokens and have nothing in them."""
SUBSCRIPTION = {"endpoint": "https://a.example", "keys": {"p256dh": POINT, "auth": "A" * 22}}
WRITES = [e for e in operations() if e.method != "GET" and e.path not in WITHOUT_KEY]


@pytest.fixture
def made(app):
    """Count the loads, events and keys."""

    def count() -> list[int]:
        with app.app_context():
            models = (Load, LoadEvent, IdempotencyKey)
            return [db.session.scalar(select(func.count()).select_from(m)) for m in models]

    return count


def post(client, body=LOAD, key: str | None = KEY, path="/loads", **headers):
    headers |= {} if key is None else {"Idempotency-Key": key}
    return client.post(path, body, headers=headers)


def assert_done(answer) -> None:
    assert (answer.status_code, answer.headers.get(REPLAYED)) == (201, None), answer.text


def assert_replayed(answer, first) -> None:
    assert answer.headers[REPLAYED] == "true"
    assert (answer.status_code, answer.data) == (first.status_code, first.data)
    for name in ("Content-Type", "Location", "ETag"):
        assert answer.headers.getlist(name) == first.headers.getlist(name)


# Every operation


@pytest.fixture
def busy_client(client, app) -> ApiClient:
    """With a free driver 1, an open load 1, a user 2, and assignment 1 of driver 2 and load 2."""
    client.make_driver("TX-1")
    client.make_load()
    client.post("/users", {"name": "Dana", "email": "d@billor.example"})
    client.assign(client.make_driver("TX-2"), client.make_load())
    return give_driver_token(client, app, 2)


def test_every_write_takes_a_key():
    keyless = [e for e in operations() if e.method != "GET" and e.path in WITHOUT_KEY]
    assert len(keyless) == len(WITHOUT_KEY)
    assert not any("Idempotency-Key" in each.parameters for each in keyless)
    assert all("Idempotency-Key" in each.parameters for each in WRITES)


@pytest.mark.parametrize("operation", WRITES, ids=str)
def test_a_retry_replays_the_answer_of_any_write(app, busy_client, operation: Operation):
    def rows() -> dict[str, list]:
        with app.app_context():
            tables = db.metadata.sorted_tables
            return {t.name: sorted(map(repr, db.session.execute(select(t)))) for t in tables}

    def send(body: dict | None, method: str = operation.method):
        options = {"headers": {"Idempotency-Key": KEY}}
        if operation.path == "/loads/import":
            options |= {"data": json.dumps(body), "content_type": "application/x-ndjson"}
            return busy_client.request(method, path, **options)
        if operation.path.endswith("/documents"):
            options |= {"data": PDF}
        return busy_client.request(method, path, body, **options)

    busy_client.make_missing(operation)
    path = operation.address.replace("/users/1", "/users/2")
    body = operation.full_body if operation.body else None
    if operation.path == "/loads/import":
        body = LOAD
    if operation.path.endswith("/reassign"):
        body = {"driverId": 1}
    if operation.path == "/me/assignment/status":
        body = operation.required_body  # it was not assigned yet at the time of examples
    if operation.path.startswith("/documents"):
        busy_client.post("/loads/1/documents", data=PDF)
    if "/check-ins" in operation.path:
        busy_client.post(operation.address.removesuffix("/1"), check_in := {"kind": "LOADED"})
        body = check_in if operation.body else None
    if operation.path.startswith("/me/push-") and body is None:
        busy_client.post("/me/push-subscriptions", SUBSCRIPTION)
    if operation.path.endswith("/resend"):
        busy_client.post("/webhooks/1/test")
    first = send(body)
    assert first.status_code in (200, 201, 204), first.text
    before = rows()
    assert_replayed(send(body), first)
    assert rows() == before
    if body:
        other = body | {next(iter(body)): "something else"}
        assert send(other).status_code == 422
    assert rows() == before


# The mechanism, which views share


def test_a_key_is_replayed_to_the_same_request_only(client, made):
    first = post(client)
    assert_done(first)
    assert_problem(post(client, OTHER_LOAD), 422, "idempotency_key_reused")
    assert_problem(post(client, path="/loads?a=b"), 422, "idempotency_key_reused")
    client.patch(first.headers["Location"], {"status": "CANCELLED"})
    assert_replayed(post(client), first)
    assert made() == [1, 2, 1]


def test_a_key_is_the_users_own_and_known_to_every_process(app, settings, client, made):
    first = post(client)
    other = client_with_token(app, "Somebody else", "else@billor.example")
    assert_done(post(other, OTHER_LOAD))
    program = client_with_key(client, app)
    assert_done(post(program))
    with app.app_context():
        token = create_access_token("1")
    with another_app(settings, REDIS_URL="") as another:
        for token_, own in ((token, first), (program.token, None)):
            answer = post(ApiClient(another.test_client(), token_))
            assert_replayed(answer, own or answer)
    assert made() == [3, 4, 3]


def test_a_retry_comes_before_its_precondition(client):
    client.make_load()
    etag = client.get("/loads/1").headers["ETag"]

    def change(key: str, if_match: str):
        headers = {"Idempotency-Key": key, "If-Match": if_match}
        return client.patch("/loads/1", {"origin": "Waco, TX"}, headers=headers)

    first = change("a", etag)
    assert_replayed(change("a", etag), first)
    for _ in range(2):
        assert_problem(change("b", etag), 412, "precondition_failed")
    assert change("b", "*").status_code == 200, "a refusal keeps no key"


def test_an_internal_error_rolls_back_thing_and_key(client, made, monkeypatch):
    def break_down(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("flask_smorest.response.jsonify", break_down)
        assert_problem(post(client), 500, "internal_error")
    assert made() == [0, 0, 0]
    assert_done(post(client))


def test_a_replay_invalidates_the_cached_list(client, monkeypatch):
    """The first process may have died before it invalidated the list."""
    client.get("/loads")
    with monkeypatch.context() as patch:
        patch.setattr(PageCache, "invalidate", lambda _pages: None)
        first = post(client)
    stale = client.get("/loads")
    assert (stale.headers["X-Cache"], stale.json) == ("HIT", [])
    assert_replayed(post(client), first)
    fresh = client.get("/loads")
    assert (fresh.headers["X-Cache"], fresh.json) == ("MISS", [in_lists(first.json)])


def test_a_key_expires_after_24_hours(app, client, made):
    def age_keys(interval: str) -> None:
        older = "UPDATE idempotency_keys SET expires_at = expires_at - CAST(:by AS interval)"
        run_sql(app, older, by=interval)

    first = post(client)
    age_keys("23 hours 59 minutes")
    assert_replayed(post(client), first)
    age_keys("1 minute")
    second = post(client, OTHER_LOAD)
    assert_done(second)
    assert_replayed(post(client, OTHER_LOAD), second)
    assert made() == [2, 2, 1]


def test_a_key_may_be_in_quotes(client, made):
    keys = ["a", "x" * 255, '"k ey"', '"k  ey"', '"key,"']
    for key in keys:
        first = post(client, key=key)
        assert_done(first)
        if '"' not in key:
            assert_replayed(post(client, key=f'"{key}"'), first)
    assert made() == [len(keys)] * 3


def test_a_malformed_key_is_refused_by_name(client, made):
    two_headers = ("a,a", "a, b", '"a","a"')
    for key in ("", '""', '"', "x" * 256, "clé", "a\tb", "a\0b", "a b", '"a', *two_headers):
        assert_invalid(post(client, key=key), "Idempotency-Key")
    assert made() == [0, 0, 0]


def test_a_stored_key_reveals_no_password(app, settings, client):
    """Its fingerprint depends on the secret, so the row does not allow guessing passwords."""
    user = {"name": "Dana", "email": "dana@billor.example", "password": "a-password"}
    assert post(client, user, path="/users").status_code == 201
    ((row,),) = run_sql(app, "SELECT row(key.*)::text FROM idempotency_keys AS key")
    assert user["email"] in row, "the answer"
    assert user["password"] not in row
    with another_app(settings, JWT_SECRET_KEY="another-key-for-tests-only-0123456789") as other:
        with other.app_context():
            stranger = ApiClient(other.test_client(), create_access_token("1"))
        reused = post(stranger, user, path="/users")
    assert_problem(reused, 422, "idempotency_key_reused")
