"""Idempotency-Key: whatever creates something may be sent again, and does it once."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask_jwt_extended import create_access_token
from sqlalchemy import delete, event, func, select, text

from billor.cache.backend import TextRedisCache
from billor.database import transaction
from billor.errors import InProgress
from billor.extensions import Base, db
from billor.models import Assignment, Driver, IdempotencyKey, Load, LoadEvent, User
from tests.support.answers import assert_problem
from tests.support.apps import another_app, client_with_token
from tests.support.client import ApiClient
from tests.support.commits import lost_answers
from tests.support.contract import operations
from tests.support.rival import rival

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
REPLAYED = "Idempotency-Replayed"
USER = {"name": "Dana Dispatcher", "email": "dana@billor.example", "password": "a-password"}
DRIVER = {"name": "Alex Carter", "licenseNumber": "TX-7"}
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}

Options = dict
"""A request's body, as the test client takes it."""


@dataclass(frozen=True)
class Creation:
    """A POST that creates something: where, what, and what for."""

    path: str
    model: type[Base]
    options: Callable[[ApiClient], list[Options]]
    """Make what it needs, and two requests for two different things."""
    events: int = 0
    status: int = 201


def bodies(*documents: dict) -> list[Options]:
    return [{"json": document} for document in documents]


def pairs(client: ApiClient) -> list[Options]:
    made = [(client.make_driver(f"TX-{number}"), client.make_load()) for number in (1, 2)]
    return bodies(*({"driverId": driver["id"], "loadId": load["id"]} for driver, load in made))


def files(_: ApiClient) -> list[Options]:
    rows = [LOAD, LOAD | {"origin": "Austin, TX"}]
    return [{"data": json.dumps(row), "content_type": "application/x-ndjson"} for row in rows]


CREATIONS = {
    "users": Creation("/users", User, lambda _: bodies(USER, USER | {"email": "d@billor.example"})),
    "drivers": Creation(
        "/drivers", Driver, lambda _: bodies(DRIVER, DRIVER | {"licenseNumber": "TX-8"})
    ),
    "loads": Creation("/loads", Load, lambda _: bodies(LOAD, LOAD | {"origin": "Waco, TX"}), 1),
    "assignments": Creation("/assignments", Assignment, pairs, 1),
    "files": Creation("/loads/import", Load, files, 1, status=200),
}


@pytest.fixture
def client(app):
    return client_with_token(app)


@pytest.fixture(params=CREATIONS.values(), ids=CREATIONS)
def creation(request) -> Creation:
    return request.param


@pytest.fixture
def options(creation, client) -> list[Options]:
    return creation.options(client)


@pytest.fixture
def made(app, creation, options):
    """How many things, events and keys were made since."""

    def count() -> list[int]:
        with app.app_context():
            models = (creation.model, LoadEvent, IdempotencyKey)
            return [db.session.scalar(select(func.count()).select_from(m)) for m in models]

    before = count()
    return lambda: [now - then for now, then in zip(count(), before, strict=True)]


def send(client, creation, options, key: str | None = KEY):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(creation.path, headers=headers, **options)


def assert_done(answer, creation) -> None:
    """Now, for the first time."""
    assert answer.status_code == creation.status, answer.text
    assert REPLAYED not in answer.headers


def assert_replayed(answer, first) -> None:
    assert answer.headers[REPLAYED] == "true"
    assert answer.status_code == first.status_code
    assert answer.data == first.data
    for name in ("Content-Type", "Location"):
        assert answer.headers.getlist(name) == first.headers.getlist(name)


def test_every_post_that_creates_takes_a_key_and_is_tested_here():
    posts = {o.path: o.parameters for o in operations() if o.method == "POST"}
    assert posts.pop("/auth/login") == []
    assert posts == {creation.path: ["Idempotency-Key"] for creation in CREATIONS.values()}


def test_without_a_key_nothing_is_kept(client, creation, options, made):
    assert_done(send(client, creation, options[0], key=None), creation)
    again = send(client, creation, options[0], key=None)
    assert REPLAYED not in again.headers
    assert again.status_code == (creation.status if creation.model is Load else 409)
    assert made()[2] == 0


def test_the_same_again_is_answered_the_same_and_done_once(client, creation, options, made):
    first = send(client, creation, options[0])
    assert_done(first, creation)
    for _ in range(2):
        assert_replayed(send(client, creation, options[0]), first)
    assert made() == [1, creation.events, 1]


def test_a_key_is_the_user_s_whatever_their_token_and_whichever_process(
    app, settings, client, creation, options, made
):
    first = send(client, creation, options[0])
    with app.app_context():
        user_id = db.session.scalar(select(IdempotencyKey.user_id))
        another_token = create_access_token(str(user_id))
    assert another_token != client.token
    with another_app(settings) as another:
        again = send(ApiClient(another.test_client(), another_token), creation, options[0])
    assert_replayed(again, first)
    assert made() == [1, creation.events, 1]


def test_what_was_answered_is_told_again_whatever_became_of_it(client):
    first = client.post("/loads", LOAD, headers={"Idempotency-Key": KEY})
    client.patch(first.headers["Location"], {"status": "CANCELLED"})
    assert_replayed(client.post("/loads", LOAD, headers={"Idempotency-Key": KEY}), first)


def assert_reused(answer) -> None:
    assert_problem(answer, 422, "idempotency_key_reused")


def test_another_body_with_the_same_key_is_refused(client, creation, options, made):
    first = send(client, creation, options[0])
    assert_reused(send(client, creation, options[1]))
    assert_replayed(send(client, creation, options[0]), first)
    assert made() == [1, creation.events, 1]


def test_another_address_with_the_same_key_is_refused(client, creation, options, made):
    first = send(client, creation, options[0])
    others = {"/users": USER, "/drivers": DRIVER, "/loads": LOAD, f"{creation.path}?a=b": None}
    headers = {"Idempotency-Key": KEY}
    for path in set(others) - {creation.path}:
        request = {"json": others[path]} if others[path] else options[0]
        assert_reused(client.post(path, headers=headers, **request))
    assert made() == [1, creation.events, 1]
    assert_replayed(send(client, creation, options[0]), first)


def test_what_creates_nothing_takes_no_notice_of_a_key(client, anonymous, app):
    load = client.make_load()
    headers = {"Idempotency-Key": KEY}
    for origin in ("Austin, TX", "Waco, TX"):
        answer = client.patch(f"/loads/{load['id']}", {"origin": origin}, headers=headers)
        assert (answer.status_code, answer.json["origin"]) == (200, origin)
    client.post("/users", USER)
    login = {"email": USER["email"], "password": USER["password"]}
    for body, status in ((login, 200), (login | {"password": "wrong"}, 401)):
        assert anonymous.post("/auth/login", body, headers=headers).status_code == status
    with app.app_context():
        assert db.session.scalars(select(IdempotencyKey)).all() == []


@pytest.fixture
def other_client(app) -> ApiClient:
    """Another user's."""
    return client_with_token(app, "Somebody else", "else@billor.example")


def test_another_user_s_same_key_is_another(client, other_client, creation, options, made):
    first, others = send(client, creation, options[0]), send(other_client, creation, options[1])
    assert_done(first, creation)
    assert_done(others, creation)
    assert_replayed(send(client, creation, options[0]), first)
    assert_replayed(send(other_client, creation, options[1]), others)
    assert made() == [2, 2 * creation.events, 2]


def test_what_was_refused_is_not_kept(client, creation, options, made):
    for bad in ({"json": {}}, {"data": b"{"}, {"data": b"", "content_type": "text/csv"}):
        answer = send(client, creation, bad)
        assert answer.status_code in (400, 415, 422), answer.text
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


def free_email(app, _client) -> None:
    with app.app_context(), transaction():
        db.session.execute(delete(User).where(User.name == "First"))


OBSTACLES = {
    "users": (
        lambda client, body: client.post("/users", body | {"name": "First"}),
        "email_taken",
        free_email,
    ),
    "drivers": (
        lambda client, body: client.post("/drivers", body),
        "license_number_taken",
        lambda _, client: client.patch("/drivers/1", {"licenseNumber": "TX-0"}),
    ),
    "assignments": (
        lambda client, body: client.post(
            "/assignments", body | {"loadId": client.make_load()["id"]}
        ),
        "driver_already_assigned",
        lambda _, client: client.close({"id": 1}, "COMPLETED"),
    ),
}
"""What makes a request be refused with a 409, with which code, and what clears the way for it."""


@pytest.mark.parametrize("name", OBSTACLES)
def test_a_conflict_is_not_kept_so_the_same_may_succeed_later(app, client, name):
    creation, (obstruct, code, clear) = CREATIONS[name], OBSTACLES[name]
    (request, _) = creation.options(client)
    assert obstruct(client, request["json"]).status_code == 201
    for _ in range(2):
        assert_problem(send(client, creation, request), 409, code)
    clear(app, client)
    first = send(client, creation, request)
    assert_done(first, creation)
    assert_replayed(send(client, creation, request), first)


def test_an_unknown_id_is_not_kept(client):
    creation = CREATIONS["assignments"]
    request = {"json": {"driverId": 1, "loadId": client.make_load()["id"]}}
    assert_problem(send(client, creation, request), 404, "driver_not_found")
    assert client.make_driver()["id"] == 1
    assert_done(send(client, creation, request), creation)


def break_down(*_, **__):
    raise RuntimeError


def test_what_breaks_is_not_kept_and_leaves_nothing(client, creation, options, made, monkeypatch):
    """Even if it was created, and only its answer could not be made."""
    with monkeypatch.context() as patch:
        patch.setattr("flask_smorest.response.jsonify", break_down)
        assert_problem(send(client, creation, options[0]), 500, "internal_error")
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


@pytest.fixture
def refuse_to_commit(app):
    """Have PostgreSQL fail the commit of whatever inserts into a table, until told to stop."""
    function = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$"
    )
    trigger = (
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )

    def execute(*statements: str) -> None:
        with app.app_context(), db.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def stop() -> None:
        execute("DROP FUNCTION IF EXISTS refuse() CASCADE")

    def refuse(table: str) -> Callable[[], None]:
        execute(function, trigger.format(table=table))
        return stop

    yield refuse
    stop()


@pytest.mark.parametrize("part", ["the thing", "its event", "the key"])
def test_thing_event_and_key_are_committed_together_or_not_at_all(
    client, creation, options, made, refuse_to_commit, part
):
    if part == "its event" and not creation.events:
        return
    parts = {"the thing": creation.model, "its event": LoadEvent, "the key": IdempotencyKey}
    commit_again = refuse_to_commit(parts[part].__tablename__)
    assert_problem(send(client, creation, options[0]), 503, "database_busy")
    assert made() == [0, 0, 0]
    commit_again()
    assert_done(send(client, creation, options[0]), creation)
    assert made() == [1, creation.events, 1]


def test_who_lost_the_answer_of_a_commit_is_told_it_when_asking_again(
    client, creation, options, made, monkeypatch
):
    with lost_answers(monkeypatch):
        assert_problem(send(client, creation, options[0]), 503, "database_unavailable")
    again = send(client, creation, options[0])
    assert (again.status_code, again.headers[REPLAYED]) == (creation.status, "true")
    assert made() == [1, creation.events, 1]


def test_an_answer_told_again_is_in_the_list_though_the_first_process_died_before_it_said_so(
    client, creation, options, made, monkeypatch
):
    client.get("/loads")
    with monkeypatch.context() as patch:
        patch.setattr(TextRedisCache, "start_generation", lambda _redis: None)
        first = send(client, creation, options[0])
    stale = client.get("/loads")
    assert stale.headers["X-Cache"] == "HIT"
    assert_replayed(send(client, creation, options[0]), first)
    fresh = client.get("/loads")
    assert fresh.headers["X-Cache"] == "MISS"
    assert (fresh.json != stale.json) == bool(creation.events)


@pytest.fixture
def age_keys(app):
    """Make all keys so much older."""

    def age(interval: str) -> None:
        statement = text("UPDATE idempotency_keys SET created_at = created_at - :by ::interval")
        with app.app_context(), transaction():
            db.session.execute(statement, {"by": interval})

    return age


def test_a_key_is_kept_for_24_hours_and_may_then_be_another_s(
    client, creation, options, made, age_keys
):
    first = send(client, creation, options[0])
    age_keys("23 hours 59 minutes")
    assert_replayed(send(client, creation, options[0]), first)
    age_keys("1 minute")
    second = send(client, creation, options[1])
    assert_done(second, creation)
    age_keys("23 hours 59 minutes")
    assert_replayed(send(client, creation, options[1]), second)
    assert made() == [2, 2 * creation.events, 1]


def test_after_24_hours_the_same_is_done_again(client, age_keys):
    headers = {"Idempotency-Key": KEY}
    first = client.post("/loads", LOAD, headers=headers)
    age_keys("24 hours")
    second = client.post("/loads", LOAD, headers=headers)
    assert_done(second, CREATIONS["loads"])
    assert second.json["id"] != first.json["id"]


def test_what_an_expired_key_is_refused_for_is_not_kept_either(client, age_keys):
    (request, other) = CREATIONS["assignments"].options(client)
    send(client, CREATIONS["assignments"], request)
    age_keys("24 hours")
    for _ in range(2):
        answer = send(client, CREATIONS["assignments"], request)
        assert_problem(answer, 409, "driver_already_assigned")
    assert_done(send(client, CREATIONS["assignments"], other), CREATIONS["assignments"])


VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",\\')
GOOD_KEYS = ["a", KEY, VISIBLE, "x" * 255]


@pytest.mark.parametrize("key", GOOD_KEYS, ids=["a letter", "a UUID", "all signs", "the longest"])
def test_a_key_is_the_same_in_quotes_and_without(client, key):
    first = client.post("/loads", LOAD, headers={"Idempotency-Key": f'"{key}"'})
    assert_done(first, CREATIONS["loads"])
    assert_replayed(client.post("/loads", LOAD, headers={"Idempotency-Key": key}), first)
    assert_replayed(client.post("/loads", LOAD, headers={"Idempotency-Key": f'"{key}"'}), first)


def test_keys_that_differ_are_different(client):
    """In upper and lower case, in spaces within quotes, in one sign at the end."""
    keys = ["key", "KEY", '"k ey"', '"k  ey"', '" key"', '"key "', '"key,"', "x" * 254, "x" * 255]
    for key in keys:
        answer = client.post("/loads", LOAD, headers={"Idempotency-Key": key})
        assert_done(answer, CREATIONS["loads"])
    assert len(client.get("/loads").json) == len(keys)


BAD_KEYS = {
    "nothing": "",
    "nothing in quotes": '""',
    "too long": "x" * 256,
    "too long in quotes": f'"{"x" * 256}"',
    "not ASCII": "clé",
    "not ASCII in quotes": '"clé"',
    "tab": "a\tb",
    "tab in quotes": '"a\tb"',
    "NUL": "a\0b",
    "delete": '"a\x7fb"',
    "space": "a b",
    "no end": '"a',
    "no beginning": 'a"',
    "a quote": '"',
    "quote inside": 'a"b',
    "quote inside quotes": '"a"b"',
    "backslash": "a\\b",
    "escaped": '"a\\"b"',
    "two": '"a", "b"',
    "two without quotes": "a,b",
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_key_that_is_none_is_refused_by_name(client, key):
    answer = client.post("/loads", LOAD, headers={"Idempotency-Key": key})
    problem = assert_problem(answer, 422, "validation_failed")
    assert list(problem["errors"]) == ["Idempotency-Key"]
    assert client.get("/loads").json == []


def test_a_key_that_is_none_creates_nothing_anywhere(client, creation, options, made):
    assert_problem(send(client, creation, options[0], key=""), 422, "validation_failed")
    assert made() == [0, 0, 0]


def test_the_body_is_told_of_before_the_key(client):
    answer = client.post("/loads", {}, headers={"Idempotency-Key": ""})
    assert set(assert_problem(answer, 422, "validation_failed")["errors"]) == set(LOAD)


USER_BODY = json.dumps(USER).encode()


def make_user(client):
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    answer = client.post("/users", data=USER_BODY, headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.fixture
def take_row(app):
    """The key's row as text; it is there no more then, nor the user that it made."""

    def take() -> str:
        with app.app_context(), transaction():
            db.session.execute(delete(User).where(User.email == USER["email"]))
            return db.session.scalar(
                text("DELETE FROM idempotency_keys AS key RETURNING row(key.*)::text")
            )

    return take


def test_neither_passwords_nor_plain_digests_of_them_are_kept(client, take_row):
    make_user(client)
    row = take_row()
    assert USER["email"] in row, "the answer"
    assert USER["password"] not in row
    for secret in (USER["password"].encode(), USER_BODY):
        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            assert hashlib.new(algorithm, secret).hexdigest() not in row


def test_what_tells_requests_apart_needs_our_secret_so_nobody_can_try_passwords(
    settings, client, take_row
):
    with another_app(settings, JWT_SECRET_KEY="another-key-for-tests-only-0123456789") as app:
        with app.app_context():
            other = ApiClient(app.test_client(), create_access_token("1"))
        fingerprints = []
        for anybody in (client, client, other):
            make_user(anybody)
            fingerprints += re.findall(r"\b[0-9a-f]{64}\b", take_row())
    first, again, others = fingerprints
    assert first == again != others


def test_keys_go_with_their_user(app, client, creation, options, made):
    send(client, creation, options[0])
    with app.app_context(), transaction():
        db.session.execute(delete(User).where(User.email == "somebody@billor.example"))
    assert made()[2] == 0


@pytest.fixture
def impatient(app):
    """Whoever waits for a lock is refused at once."""

    def set_patience(_session, _transaction, connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")

    event.listen(db.session, "after_begin", set_patience)
    yield
    event.remove(db.session, "after_begin", set_patience)


@pytest.mark.usefixtures("impatient")
def test_a_twin_that_takes_too_long_is_told_of(app, client, creation, options, made):
    with rival(app) as first:
        first.execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint) VALUES (1, :key, '')", key=KEY
        )
        answer = send(client, creation, options[0])
    assert_problem(answer, 409, "idempotency_key_in_use")
    assert int(answer.headers["Retry-After"]) == InProgress.retry_after > 0
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


@pytest.mark.usefixtures("impatient")
def test_who_waits_for_anything_else_is_not_told_of_a_twin(app, client, creation, options, made):
    with rival(app) as somebody:
        somebody.execute(f"LOCK TABLE {creation.model.__tablename__} IN SHARE MODE")
        answer = send(client, creation, options[0])
    assert_problem(answer, 503, "database_busy")
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


def test_a_key_costs_three_statements_at_most(client, creation, options, statements):
    with statements:
        send(client, creation, options[0], key=None)
    without = len(statements.sent)
    with statements:
        send(client, creation, options[1])
    assert len(statements.sent) <= without + 3
    with statements:
        send(client, creation, options[1])
    assert len(statements.sent) <= 1 + 3, "the token's user, and then only the key"
