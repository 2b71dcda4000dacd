"""API keys: their life, what they may do, and their limit."""

import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from billor.auth import api_keys, guard
from billor.models import ApiKey, LoadEvent, Role, db
from billor.users.service import update_user
from tests.support.answers import assert_invalid, assert_problem
from tests.support.apps import another_app, client_with_key, client_with_token
from tests.support.client import ApiClient
from tests.support.worker import WAIT_SECONDS

EXPIRES_AT = "2099-12-31T12:00:00.000000Z"


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The time of the guard, at the start of a minute."""
    clock = SimpleNamespace(now=1_800_000_000.0, monotonic=time.monotonic)
    clock.time = lambda: clock.now
    for module in (guard, api_keys):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_key_is_shown_once_works_until_it_is_revoked_and_is_audited(app, client):
    past = datetime.now(UTC).isoformat()
    for name, value in {"role": "DRIVER", "expiresAt": past}.items():
        assert_invalid(client.post("/api-keys", {"name": "Accounting", name: value}), name)
    made = client.post("/api-keys", {"name": "Accounting", "expiresAt": EXPIRES_AT})
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    key = made.json["key"]
    assert re.fullmatch(r"bil_[0-9A-Za-z]{46}", key)
    shown = client.get(made.headers["Location"]).json
    assert made.json == shown | {"key": key}
    chosen = {"name": "Accounting", "role": "DISPATCHER", "expiresAt": EXPIRES_AT}
    unused = {"prefix": key[:12], "userId": 1, "lastUsedAt": None, "revokedAt": None}
    assert shown == chosen | unused | {"id": 1, "createdAt": shown["createdAt"]}

    program = ApiClient(app.test_client(), key)
    program.make_load()
    used = client.get("/api-keys").json[0]
    assert used["lastUsedAt"] > used["createdAt"]
    app.extensions["cached_users"].clear()
    assert program.get("/loads").status_code == 200
    assert client.get("/api-keys").json == [used], "the use is noted once a minute"

    for _ in range(2):
        assert client.request("DELETE", "/api-keys/1").status_code == 204
    assert client.get("/api-keys/1").json["revokedAt"]
    assert_problem(program.get("/loads"), 401, "token_invalid")
    with app.app_context():
        events = db.session.scalars(select(LoadEvent).order_by(LoadEvent.id)).all()
        row = db.session.execute(select(*ApiKey.__table__.c)).one()
    assert key not in f"{row} {[event.payload for event in events]}"
    types = ["user.api_key_created", "load.created", "user.api_key_revoked"]
    assert [event.type for event in events] == types
    made, loaded, revoked = (event.payload for event in events)
    assert made["user"] == revoked["user"] == {"id": 1, "name": "Demo Dispatcher"}
    assert loaded["user"] == made["user"] | {"apiKey": {"id": 1, "name": "Accounting"}}
    assert made["apiKey"] == revoked["apiKey"] == chosen | {"id": 1, "prefix": key[:12]}


@pytest.mark.parametrize(
    ("change", "working"),
    [
        ({"name": "Sam Reed"}, {"ADMIN", "DISPATCHER"}),
        ({"password": "another-good-password"}, {"ADMIN", "DISPATCHER"}),
        ({"role": Role.DISPATCHER}, {"DISPATCHER"}),
        ({"role": Role.DRIVER, "driver_id": 1}, set()),
        ({"is_active": False}, set()),
    ],
)
def test_a_key_ends_with_its_users_right_to_its_role(app, client, change, working):
    client.make_driver()
    other = client_with_token(app, "Sam", "sam@billor.example")
    programs = {r: client_with_key(other, app, role=r) for r in ("ADMIN", "DISPATCHER")}
    assert {each.get("/loads").status_code for each in programs.values()} == {200}
    with app.app_context():
        update_user(2, **change)
    for role, program in programs.items():
        assert program.get("/loads").status_code == (200 if role in working else 401), role


def test_what_is_no_key_costs_no_query(app, client, statements):
    key = client_with_key(client, app).token
    changed = key[:20] + ("a" if key[20] != "a" else "b") + key[21:]
    unknown = f"bil_{'a' * 40}{api_keys._checksum('a' * 40)}"
    for token in (changed, key[:-1], f"{key}a", "bil_", "bil_é", unknown):
        with statements:
            assert_problem(ApiClient(app.test_client(), token).get("/loads"), 401, "token_invalid")
        assert len(statements.sent) == (token == unknown), token


def test_a_key_ends_exactly_when_it_expires(app, client, clock):
    program = client_with_key(client, app, expiresAt=EXPIRES_AT)
    clock.now = datetime(2099, 12, 31, 12, tzinfo=UTC).timestamp() - 0.001
    assert program.get("/loads").status_code == 200
    clock.now += 0.001
    assert_problem(program.get("/loads"), 401, "token_expired")


def test_a_key_has_so_many_requests_a_minute_also_from_the_cache(
    settings, client, clock, statements, wire, monkeypatch
):
    def limits(answer) -> list[int | str | None]:
        return [answer.status_code, *map(answer.headers.get, ("RateLimit", "Retry-After"))]

    monkeypatch.setattr(guard, "USER_CACHE_SECONDS", WAIT_SECONDS)
    with another_app(settings, API_KEY_REQUESTS="3") as app:
        program, person = client_with_key(client, app), ApiClient(app.test_client(), client.token)
        other = client_with_key(client, app)
        miss = program.get("/loads")
        assert limits(miss) == [200, '"minute";r=2;t=60', None]
        assert miss.headers["RateLimit-Policy"] == '"minute";q=3;w=60'
        wire.sent.clear()
        with statements:
            hit = program.get("/loads")
        assert (hit.headers["X-Cache"], hit.data) == ("HIT", miss.data)
        assert (statements.sent, wire.sent) == ([], ["MULTI", "EVAL"])
        assert limits(hit) == [200, '"minute";r=1;t=60', None]
        clock.now += 18
        assert limits(program.get("/users")) == [403, '"minute";r=0;t=42', None]
        for path in ("/loads", "/drivers"):
            refused = program.get(path)
            assert_problem(refused, 429, "too_many_requests")
            assert limits(refused) == [429, '"minute";r=0;t=42', "42"]
        assert limits(other.get("/loads")) == [200, '"minute";r=2;t=42', None]
        assert limits(person.get("/loads")) == [200, None, None]
        clock.now += 42
        assert limits(program.get("/drivers")) == [200, '"minute";r=2;t=60', None]
        wire.cut = True
        for _ in range(4):
            assert limits(program.get("/loads")) == [200, None, None]
