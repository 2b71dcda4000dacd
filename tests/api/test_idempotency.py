"""Idempotency-Key: a retry of a write gets the first answer and does nothing again."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask_jwt_extended import create_access_token
from sqlalchemy import delete, event, func, select, text

from billor.cache import PageCache
from billor.database import transaction
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

WITHOUT_KEY = ["/auth/login", "/auth/refresh", "/auth/logout", "/auth/logout-all", "/me/password"]
"""Their answers are secrets, or end the user's tokens and have nothing in them."""

Options = dict
"""A request's body, as the test client takes it."""


@dataclass(frozen=True)
class Creation:
    """A POST that creates something."""

    path: str
    model: type[Base]
    options: Callable[[ApiClient], list[Options]]
    """Make what it needs; return two requests that create different things."""
    events: int = 0
    status: int = 201


def bodies(*documents: dict) -> list[Options]:
    return [{"json": document} for document in documents]


def pairs(client: ApiClient) -> list[Options]:
    made = [(client.make_driver(f"TX-{number}"), client.make_load()) for number in (1, 2)]
    return bodies(*({"driverId": driver["id"], "loadId": load["id"]} for driver, load in made))


def batches(client: ApiClient) -> list[Options]:
    return bodies(*({"assignments": [options["json"]]} for options in pairs(client)))


def other_drivers(client: ApiClient) -> list[Options]:
    """For assignment 1."""
    client.assign(client.make_driver("TX-1"), client.make_load())
    return bodies(*({"driverId": client.make_driver(f"TX-{n}")["id"]} for n in (2, 3)))


def files(_: ApiClient) -> list[Options]:
    rows = [LOAD, LOAD | {"origin": "Austin, TX"}]
    return [{"data": json.dumps(row), "content_type": "application/x-ndjson"} for row in rows]


CREATIONS = {
    "users": Creation(
        "/users", User, lambda _: bodies(USER, USER | {"email": "d@billor.example"}), 1
    ),
    "drivers": Creation(
        "/drivers", Driver, lambda _: bodies(DRIVER, DRIVER | {"licenseNumber": "TX-8"}), 1
    ),
    "loads": Creation("/loads", Load, lambda _: bodies(LOAD, LOAD | {"origin": "Waco, TX"}), 1),
    "assignments": Creation("/assignments", Assignment, pairs, 1),
    "batches": Creation("/assignments/bulk", Assignment, batches, 1, status=200),
    "reassignments": Creation(
        "/assignments/{assignment_id}/reassign", Assignment, other_drivers, 2
    ),
    "files": Creation("/loads/import", Load, files, 1, status=200),
}


READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Change:
    """A request that changes something, and the body of a PATCH that changes it otherwise."""

    address: str
    shown_at: str
    body: dict | None
    other_body: dict
    method: str = "PATCH"
    status: int = 200


CHANGES = {
    ("PATCH", "/loads/{load_id}"): Change(
        "/loads/1", "/loads/1", {"origin": "Waco, TX"}, {"status": "CANCELLED"}
    ),
    ("PATCH", "/drivers/{driver_id}"): Change(
        "/drivers/1", "/drivers/1", {"name": "Dana Dispatcher"}, {"status": "INACTIVE"}
    ),
    ("PATCH", "/assignments/{assignment_id}/status"): Change(
        "/assignments/1/status", "/assignments/1", {"status": "CANCELLED"}, {"status": "COMPLETED"}
    ),
    ("PATCH", "/users/{user_id}"): Change(
        "/users/2", "/users/2", {"role": "ADMIN"}, {"name": "Somebody else"}
    ),
    ("PATCH", "/me"): Change("/me", "/me", {"name": "Robin Reed"}, {"name": "Somebody else"}),
    ("DELETE", "/users/{user_id}"): Change(
        "/users/2", "/users/2", None, {"active": True}, "DELETE", 204
    ),
}
OF_A_DRIVER = ("PATCH", "/me/assignment/status")
"""What it changes is no longer shown then, as test_me.py tests."""


def each(changes: dict[tuple[str, str], Change]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("change", changes.values(), ids=map(" ".join, changes))


every_change = each(CHANGES)
every_patch = each({name: change for name, change in CHANGES.items() if name[0] == "PATCH"})


@pytest.fixture
def client(app):
    return client_with_token(app)


# Views share the mechanism: only what depends on the view is tested with each.
every_creation = pytest.mark.parametrize("creation", CREATIONS.values(), ids=CREATIONS)


@pytest.fixture
def creation() -> Creation:
    return CREATIONS["loads"]


@pytest.fixture
def options(creation, client) -> list[Options]:
    return creation.options(client)


@pytest.fixture
def made(app, creation, options):
    """Count the things, events and keys that were made since."""

    def count() -> list[int]:
        with app.app_context():
            models = (creation.model, LoadEvent, IdempotencyKey)
            return [db.session.scalar(select(func.count()).select_from(m)) for m in models]

    before = count()
    return lambda: [now - then for now, then in zip(count(), before, strict=True)]


def send(client, creation, options, key: str | None = KEY):
    headers = {} if key is None else {"Idempotency-Key": key}
    path = creation.path.format(assignment_id=1)
    return client.post(path, headers=headers, **options)


def assert_done(answer, creation) -> None:
    """Check that it is no replay."""
    assert answer.status_code == creation.status, answer.text
    assert REPLAYED not in answer.headers


def assert_replayed(answer, first) -> None:
    assert answer.headers[REPLAYED] == "true"
    assert answer.status_code == first.status_code
    assert answer.data == first.data
    for name in ("Content-Type", "Location"):
        assert answer.headers.getlist(name) == first.headers.getlist(name)


def assert_reused(answer) -> None:
    assert_problem(answer, 422, "idempotency_key_reused")


def test_every_write_takes_a_key_and_is_tested():
    writes = {(o.method, o.path): o.parameters for o in operations() if o.method not in READING}
    for path in WITHOUT_KEY:
        assert writes.pop(("POST", path)) == []
    assert {write for write, taken in writes.items() if "Idempotency-Key" in taken} == set(writes)
    tested = {("POST", creation.path) for creation in CREATIONS.values()}
    assert set(writes) == tested | set(CHANGES) | {OF_A_DRIVER}


def test_post_without_a_key_is_never_replayed(client, creation, options, made):
    for _ in range(2):
        assert_done(send(client, creation, options[0], key=None), creation)
    assert made() == [2, 2, 0]


@every_creation
def test_retry_replays_the_first_answer_and_creates_nothing(client, creation, options, made):
    first = send(client, creation, options[0])
    assert_done(first, creation)
    assert_replayed(send(client, creation, options[0]), first)
    assert_reused(send(client, creation, options[1]))
    assert_replayed(send(client, creation, options[0]), first)
    assert made() == [1, creation.events, 1]


def test_retry_replays_with_another_token_in_another_process(
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
    assert made() == [1, 1, 1]


def test_retry_replays_the_first_answer_after_a_later_change(client, creation, options):
    first = send(client, creation, options[0])
    client.patch(first.headers["Location"], {"status": "CANCELLED"})
    assert_replayed(send(client, creation, options[0]), first)


def test_key_with_the_same_body_at_another_address_is_refused(client, creation, made):
    body, headers = json.dumps(LOAD), {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    assert_done(client.post("/loads", data=body, headers=headers), creation)
    assert_reused(client.post("/loads?a=b", data=body, headers=headers))
    headers["Content-Type"] = "application/x-ndjson"
    assert_reused(client.post("/loads/import", data=body, headers=headers))
    assert made() == [1, 1, 1]


@pytest.fixture
def changing(client):
    """The client of user 1, with a user 2, an open load 1 and a free driver 1.

    Driver 2 has load 2 by assignment 1.
    """
    assert client.post("/users", USER).status_code == 201
    client.make_load()
    client.make_driver("TX-1")
    client.assign(client.make_driver("TX-2"), client.make_load())
    return client


@pytest.fixture
def events(app):
    """Count all events."""

    def count() -> int:
        with app.app_context():
            return db.session.scalar(select(func.count()).select_from(LoadEvent))

    return count


def change_with_key(client, change, **headers):
    headers = {"Idempotency-Key": KEY} | headers
    return client.request(change.method, change.address, change.body, headers=headers)


def change_otherwise(client, change, **headers):
    return client.patch(change.address, change.other_body, headers=headers)


def assert_changed(answer, change) -> None:
    """Check that it is no replay."""
    assert (answer.status_code, answer.headers.get(REPLAYED)) == (change.status, None)


@every_change
def test_retry_of_a_change_replays_the_first_answer(changing, change, events):
    first = change_with_key(changing, change)
    assert_changed(first, change)
    told, shown = events(), changing.get(change.shown_at).data
    for _ in range(2):
        again = change_with_key(changing, change)
        assert_replayed(again, first)
        assert again.headers.get("ETag") == first.headers.get("ETag")
        assert_reused(change_otherwise(changing, change, **{"Idempotency-Key": KEY}))
    assert events() == told
    assert changing.get(change.shown_at).data == shown
    assert first.data in (shown, b"")


@every_change
def test_retry_of_a_change_replays_despite_later_changes(changing, change):
    first = change_with_key(changing, change)
    changing.patch("/drivers/2", {"name": "Somebody else"})
    change_otherwise(changing, change)
    shown = changing.get(change.shown_at).json
    assert_replayed(change_with_key(changing, change), first)
    assert changing.get(change.shown_at).json == shown


@every_patch
def test_retry_of_a_change_replays_before_its_precondition(changing, change):
    etag = changing.get(change.shown_at).headers["ETag"]
    first = change_with_key(changing, change, **{"If-Match": etag})
    assert first.status_code == 200
    assert_replayed(change_with_key(changing, change, **{"If-Match": etag}), first)
    stale = changing.patch(change.address, change.body, headers={"If-Match": etag})
    assert_problem(stale, 412, "precondition_failed")


@every_patch
def test_failed_precondition_keeps_no_key(changing, change):
    for _ in range(2):
        refusal = change_with_key(changing, change, **{"If-Match": '"stale"'})
        assert_problem(refusal, 412, "precondition_failed")
    assert_changed(change_with_key(changing, change), change)


def test_refused_change_keeps_no_key(changing):
    change = Change("/loads/2", "/loads/2", {"origin": "Waco, TX"}, {})
    assert_problem(change_with_key(changing, change), 409, "load_not_editable")
    changing.close({"id": 1}, "CANCELLED")
    answer = change_with_key(changing, change)
    assert (answer.status_code, answer.json["origin"]) == (200, "Waco, TX")


def test_login_ignores_the_key(client, anonymous, app):
    headers = {"Idempotency-Key": KEY}
    client.post("/users", USER)
    login = {"email": USER["email"], "password": USER["password"]}
    for body, status in ((login, 200), (login | {"password": "wrong"}, 401)):
        assert anonymous.post("/auth/login", body, headers=headers).status_code == status
    with app.app_context():
        assert db.session.scalars(select(IdempotencyKey)).all() == []


def test_key_of_another_user_is_another_key(app, client, creation, options, made):
    other_client = client_with_token(app, "Somebody else", "else@billor.example")
    first, others = send(client, creation, options[0]), send(other_client, creation, options[1])
    assert_done(first, creation)
    assert_done(others, creation)
    assert_replayed(send(client, creation, options[0]), first)
    assert_replayed(send(other_client, creation, options[1]), others)
    assert made() == [2, 2, 2]


def test_refusal_of_a_file_keeps_no_key(client):
    empty, (good, _) = {"data": b"", "content_type": "text/csv"}, files(client)
    assert_problem(send(client, CREATIONS["files"], empty), 422, "import_refused")
    assert_done(send(client, CREATIONS["files"], good), CREATIONS["files"])


def assert_succeeds_later(client, name: str, body: dict, refusal: tuple, change: Callable) -> None:
    """Check that what is refused succeeds with the same key after a change."""
    creation, options = CREATIONS[name], {"json": body}
    for _ in range(2):
        assert_problem(send(client, creation, options), *refusal)
    change()
    first = send(client, creation, options)
    assert_done(first, creation)
    assert_replayed(send(client, creation, options), first)


def test_unique_violation_keeps_no_key(client):
    driver = client.make_driver(DRIVER["licenseNumber"])
    assert_succeeds_later(
        client,
        "drivers",
        DRIVER,
        (409, "license_number_taken"),
        lambda: client.patch(f"/drivers/{driver['id']}", {"licenseNumber": "TX-0"}),
    )


def test_refused_assignment_keeps_no_key(client):
    driver, load = client.make_driver(), client.make_load()
    assignment = client.assign(driver, client.make_load())
    assert_succeeds_later(
        client,
        "assignments",
        {"driverId": driver["id"], "loadId": load["id"]},
        (409, "driver_already_assigned"),
        lambda: client.close(assignment, "COMPLETED"),
    )


def test_unknown_id_keeps_no_key(client):
    body = {"driverId": 1, "loadId": client.make_load()["id"]}
    assert_succeeds_later(
        client, "assignments", body, (404, "driver_not_found"), client.make_driver
    )


def test_internal_error_rolls_back_thing_and_key(client, creation, options, made, monkeypatch):
    def break_down(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("flask_smorest.response.jsonify", break_down)
        assert_problem(send(client, creation, options[0]), 500, "internal_error")
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


@pytest.fixture
def refuse_to_commit(app):
    """Have PostgreSQL fail every commit of an insert into a table, until told to stop."""
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


@pytest.mark.parametrize(
    ("creation", "model"),
    [
        *((creation, IdempotencyKey) for creation in CREATIONS.values()),
        (CREATIONS["loads"], LoadEvent),
        (CREATIONS["loads"], Load),
    ],
    ids=[*CREATIONS, "event", "thing"],
)
def test_thing_event_and_key_are_committed_together(
    client, creation, options, made, refuse_to_commit, model
):
    commit_again = refuse_to_commit(model.__tablename__)
    assert_problem(send(client, creation, options[0]), 503, "database_busy")
    assert made() == [0, 0, 0]
    commit_again()
    assert_done(send(client, creation, options[0]), creation)
    assert made() == [1, creation.events, 1]


def test_lost_answer_of_a_commit_is_replayed(client, creation, options, made, monkeypatch):
    with lost_answers(monkeypatch):
        assert_problem(send(client, creation, options[0]), 503, "database_unavailable")
    again = send(client, creation, options[0])
    assert (again.status_code, again.headers[REPLAYED]) == (creation.status, "true")
    assert made() == [1, 1, 1]


def test_replay_invalidates_the_cached_list(client, creation, options, monkeypatch):
    """The first process may have died before it invalidated the list."""
    client.get("/loads")
    with monkeypatch.context() as patch:
        patch.setattr(PageCache, "invalidate", lambda _pages: None)
        first = send(client, creation, options[0])
    stale = client.get("/loads")
    assert (stale.headers["X-Cache"], stale.json) == ("HIT", [])
    assert_replayed(send(client, creation, options[0]), first)
    fresh = client.get("/loads")
    assert (fresh.headers["X-Cache"], fresh.json) == ("MISS", [first.json])


@pytest.fixture
def age_keys(app):
    """Make all keys older."""

    def age(interval: str) -> None:
        statement = text("UPDATE idempotency_keys SET created_at = created_at - :by ::interval")
        with app.app_context(), transaction():
            db.session.execute(statement, {"by": interval})

    return age


def test_key_expires_after_24_hours(client, creation, options, made, age_keys):
    first = send(client, creation, options[0])
    age_keys("23 hours 59 minutes")
    assert_replayed(send(client, creation, options[0]), first)
    age_keys("1 minute")
    second = send(client, creation, options[1])
    assert_done(second, creation)
    age_keys("23 hours 59 minutes")
    assert_replayed(send(client, creation, options[1]), second)
    age_keys("1 minute")
    assert_done(send(client, creation, options[1]), creation)
    assert made() == [3, 3, 1]


def test_expired_key_is_not_renewed_by_a_refusal(client, age_keys):
    creation = CREATIONS["assignments"]
    (request, other) = creation.options(client)
    send(client, creation, request)
    age_keys("24 hours")
    for _ in range(2):
        assert_problem(send(client, creation, request), 409, "driver_already_assigned")
    assert_done(send(client, creation, other), creation)


VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",\\')


@pytest.mark.parametrize("key", ["a", VISIBLE, "x" * 255], ids=["shortest", "visible", "longest"])
def test_key_is_the_same_in_quotes_and_without(client, creation, options, key):
    first = send(client, creation, options[0], key=f'"{key}"')
    assert_done(first, creation)
    assert_replayed(send(client, creation, options[0], key=key), first)


def test_keys_differ_by_case_by_spaces_in_quotes_and_by_length(client, creation, options, made):
    keys = ["key", "KEY", '"k ey"', '"k  ey"', '" key"', '"key "', '"key,"', "x" * 254, "x" * 255]
    for key in keys:
        assert_done(send(client, creation, options[0], key=key), creation)
    assert made() == [len(keys)] * 3


MALFORMED_KEYS = [
    *("", '""', '"'),
    *("x" * 256, f'"{"x" * 256}"'),
    *("clé", '"clé"', "a\tb", '"a\tb"', "a\0b", '"a\x7fb"', "a b"),
    *('"a', 'a"', 'a"b', '"a"b"', "a\\b", '"a\\"b"'),
    *("a,b", "a, b", '"a","b"', '"a", "b"'),
]


def test_malformed_key_is_refused_by_name(client, creation, options, made):
    for key in MALFORMED_KEYS:
        problem = send(client, creation, options[0], key=key).json
        assert (problem.get("code"), [*problem.get("errors", ())]) == (
            "validation_failed",
            ["Idempotency-Key"],
        ), key
    assert made() == [0, 0, 0]


def test_bad_body_is_refused_before_a_malformed_key(client):
    answer = client.post("/loads", {}, headers={"Idempotency-Key": ""})
    assert set(assert_problem(answer, 422, "validation_failed")["errors"]) == set(LOAD)


USER_BODY = json.dumps(USER).encode()


def make_user(client):
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    answer = client.post("/users", data=USER_BODY, headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.fixture
def take_row(app):
    """Delete the key's row and the user it created; return the row as text."""

    def take() -> str:
        with app.app_context(), transaction():
            db.session.execute(delete(User).where(User.email == USER["email"]))
            return db.session.scalar(
                text("DELETE FROM idempotency_keys AS key RETURNING row(key.*)::text")
            )

    return take


def test_key_row_holds_neither_password_nor_plain_digest(client, take_row):
    make_user(client)
    row = take_row()
    assert USER["email"] in row, "the answer"
    assert USER["password"] not in row
    for secret in (USER["password"].encode(), USER_BODY):
        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            assert hashlib.new(algorithm, secret).hexdigest() not in row


def test_fingerprint_depends_on_the_secret(settings, client, take_row):
    """So the row alone does not allow guessing passwords."""
    with another_app(settings, JWT_SECRET_KEY="another-key-for-tests-only-0123456789") as app:
        with app.app_context():
            other = ApiClient(app.test_client(), create_access_token("1"))
        fingerprints = []
        for anybody in (client, client, other):
            make_user(anybody)
            fingerprints += re.findall(r"\b[0-9a-f]{64}\b", take_row())
    first, again, others = fingerprints
    assert first == again != others


def test_keys_are_deleted_with_their_user(app, client, creation, options, made):
    send(client, creation, options[0])
    with app.app_context(), transaction():
        db.session.execute(delete(User).where(User.email == "somebody@billor.example"))
    assert made()[2] == 0


@pytest.fixture
def impatient(app):
    """Waiting for a lock times out at once."""

    def set_patience(_session, _transaction, connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")

    event.listen(db.session, "after_begin", set_patience)
    yield
    event.remove(db.session, "after_begin", set_patience)


@pytest.mark.usefixtures("impatient")
def test_retry_during_a_slow_first_request_is_refused(app, client, creation, options, made):
    with rival(app) as first:
        first.execute(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint) VALUES (1, :key, '')", key=KEY
        )
        answer = send(client, creation, options[0])
    assert_problem(answer, 409, "idempotency_key_in_use")
    assert int(answer.headers["Retry-After"]) > 0
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


@pytest.mark.usefixtures("impatient")
def test_other_lock_timeout_is_answered_database_busy(app, client, creation, options, made):
    with rival(app) as somebody:
        somebody.execute(f"LOCK TABLE {creation.model.__tablename__} IN SHARE MODE")
        answer = send(client, creation, options[0])
    assert_problem(answer, 503, "database_busy")
    assert made() == [0, 0, 0]
    assert_done(send(client, creation, options[0]), creation)


def test_key_costs_at_most_three_statements(client, creation, options, statements):
    with statements:
        send(client, creation, options[0], key=None)
    without = len(statements.sent)
    with statements:
        send(client, creation, options[1])
    assert len(statements.sent) <= without + 3
    with statements:
        send(client, creation, options[1])
    assert len(statements.sent) <= 1 + 3, "more than the token's user and the key"
