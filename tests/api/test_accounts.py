"""The care of accounts by admins: roles, deactivation, the last admin, and their audit trail."""

import time

import pytest
from itsdangerous import TimestampSigner
from sqlalchemy import select

from billor.auth import resets
from billor.database import get_or_not_found
from billor.events.event import EventType, to_document
from billor.models import LoadEvent, User, db
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_invalid, assert_problem
from tests.support.apps import client_with_token
from tests.support.client import ApiClient
from tests.support.rival import beaten

DANA = {"name": "Dana Dispatcher", "email": "dana@billor.example", "password": "a-good-password"}


@pytest.fixture
def dana(client) -> dict:
    return client.post("/users", DANA).json


def delete(client: ApiClient, user: dict):
    return client.request("DELETE", f"/users/{user['id']}")


@pytest.mark.parametrize(
    "fields",
    [{"role": "DRIVER"}, {"role": "DRIVER", "driverId": None}, {"role": "ADMIN", "driverId": 1}],
)
def test_drivers_and_only_they_belong_to_a_driver(client, dana, fields):
    client.make_driver()
    assert_invalid(client.post("/users", DANA | fields | {"email": "d@billor.example"}), "driverId")
    assert_invalid(client.patch(f"/users/{dana['id']}", fields), "driverId")
    assert client.get(f"/users/{dana['id']}").json == dana
    driver = DANA | {"email": "alex@billor.example", "role": "DRIVER", "driverId": 1}
    created = client.post("/users", driver).json
    assert (created["role"], created["driverId"]) == ("DRIVER", 1)


def test_a_driver_who_gets_another_role_has_no_driver(client, dana):
    client.make_driver()
    path = f"/users/{dana['id']}"
    assert client.patch(path, {"role": "DRIVER", "driverId": 1}).json["driverId"] == 1
    assert_invalid(client.patch(path, {"driverId": None}), "driverId")
    changed = client.patch(path, {"role": "DISPATCHER"}).json
    assert (changed["role"], changed["driverId"]) == ("DISPATCHER", None)


def test_a_deactivated_user_cannot_log_in_but_stays(client, anonymous, dana):
    credentials = {"email": DANA["email"], "password": DANA["password"]}
    assert anonymous.post("/auth/login", credentials).status_code == 200
    for _ in range(2):
        answer = delete(client, dana)
        assert (answer.status_code, answer.data) == (204, b"")
    assert_problem(anonymous.post("/auth/login", credentials), 401, "invalid_credentials")
    assert client.get(f"/users/{dana['id']}").json == dana | {"active": False}
    (listed,) = client.get("/users?q=dana").json
    assert not listed["active"]
    assert client.patch(f"/users/{dana['id']}", {"active": True}).json == dana
    assert anonymous.post("/auth/login", credentials).status_code == 200


def test_an_admin_resets_a_password_and_sees_when_a_user_was_last_there(client, anonymous, dana):
    def last_seen() -> str | None:
        return client.get("/users?q=dana").json[0]["lastSeenAt"]

    assert last_seen() is None
    tokens = anonymous.log_in(DANA["email"], DANA["password"]).json
    seen = [last_seen()]
    body = {"refreshToken": tokens["refreshToken"]}
    assert anonymous.post("/auth/refresh", body).status_code == 200
    seen.append(last_seen())
    path = f"/users/{dana['id']}"
    assert_invalid(client.patch(path, {"password": "password"}), "password")
    assert client.patch(path, {"password": "another-password"}).json == dana
    assert_problem(anonymous.log_in(DANA["email"], DANA["password"]), 401, "invalid_credentials")
    assert_problem(anonymous.post("/auth/refresh", body), 401, "token_invalid")
    assert anonymous.log_in(DANA["email"], "another-password").status_code == 200
    seen.append(last_seen())
    assert seen == sorted({*seen})


# Links in mails

DAY = 24 * 3600
RESET, INVITED = EventType.PASSWORD_RESET_REQUESTED, EventType.USER_INVITED
LINKS = [
    *((RESET, 29 * 60, 204), (RESET, 31 * 60, 422)),
    *((INVITED, 6 * DAY, 204), (INVITED, 8 * DAY, 422), ("user.created", 0, 422)),
]


def follow(api: ApiClient, token: str) -> int:
    answer = api.post("/auth/password-reset/confirm", {"token": token, "password": "of-the-link"})
    if answer.status_code != 204:
        assert_problem(answer, 422, "reset_token_invalid")
    return answer.status_code


@pytest.mark.parametrize(("purpose", "age", "status"), LINKS)
def test_a_link_is_good_for_its_time(app, anonymous, dana, monkeypatch, purpose, age, status):
    made_at = int(time.time()) - age
    with monkeypatch.context() as clock, app.app_context():
        clock.setattr(TimestampSigner, "get_timestamp", lambda _self: made_at)
        token = resets.make_token(purpose, get_or_not_found(User, dana["id"]))
    forged = (f"{token}x", f"x{token}", "x")
    assert [follow(anonymous, each) for each in (*forged, token)] == [422, 422, 422, status]
    logged_in = anonymous.log_in(DANA["email"], "of-the-link").status_code
    assert logged_in == (200 if status == 204 else 401)


def test_nobody_learns_who_has_an_account_by_asking_for_links(
    app, client, anonymous, dana, statements, recorded
):
    robin = client.post("/users", DANA | {"email": "robin@billor.example"}).json
    with app.app_context():
        token = resets.make_token(RESET, get_or_not_found(User, robin["id"]))
    delete(client, robin)
    assert follow(anonymous, token) == 422
    seen = []
    for email in (DANA["email"], "nobody@billor.example", robin["email"]):
        with statements:
            answers = [anonymous.post("/auth/password-reset", {"email": email}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [204] * 5 + [429]
        sent = [each.replace("ROLLBACK TO", "RELEASE") for each in statements.sent]
        seen.append((sent, [answers[0].data, *sorted(dict(answers[0].headers))]))
    assert seen[0] == seen[1] == seen[2]
    asked = [each["userId"] for each in recorded() if each["type"] == RESET.name]
    assert asked == [dana["id"]] * 5


# The last admin


CHANGES = [{"role": "DISPATCHER"}, {"active": False}, {"role": "DISPATCHER", "active": False}]


@pytest.mark.parametrize("change", CHANGES)
def test_the_last_active_admin_who_can_log_in_stays(app, client, change):
    """An admin without a password cannot, even while they have a token."""
    robin = client_with_token(app, "Robin")
    dana = client.post("/users", DANA | {"role": "ADMIN"}).json
    client.patch(f"/users/{dana['id']}", {"active": False})
    for api in (client, robin):
        assert_problem(api.patch("/users/1", change), 409, "last_admin")
        assert_problem(delete(api, {"id": 1}), 409, "last_admin")
    assert client.patch("/users/2", change).status_code == 200
    client.patch(f"/users/{dana['id']}", {"active": True})
    assert client.patch("/users/1", change).status_code == 200


def test_admins_who_end_each_other_at_once_leave_one(app, client):
    client.post("/users", DANA | {"role": "ADMIN"})
    ended = "UPDATE users SET is_active = false WHERE id = 2"
    change = beaten(app, ended, client.patch, "/users/1", CHANGES[0])
    assert_problem(change, 409, "last_admin")


# The audit trail


@pytest.fixture
def recorded(app):
    """What the audit trail gets of each event of an account, oldest first."""

    def read() -> list[dict]:
        with app.app_context():
            rows = db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()
            documents = [to_document(row) for row in rows]
        return [document for document in documents if "userId" in document]

    return read


def test_each_change_of_an_account_is_an_event_with_who_did_it(client, recorded):
    client.make_driver()
    user = client.post("/users", DANA).json
    path = f"/users/{user['id']}"
    client.patch(path, {"name": "Dana D."})
    client.patch(path, {"role": "DRIVER", "driverId": 1})
    client.patch(path, {"name": "Dana E.", "role": "ADMIN", "active": False})
    client.patch(path, {"active": False})
    client.patch(path, {"active": True, "password": "the-admins-password"})
    dana = {"id": user["id"], "name": "Dana Dispatcher", "role": "DISPATCHER", "driverId": None}
    documents = recorded()
    assert [(each["type"], each["payload"].get("before")) for each in documents] == [
        ("USER_CREATED", None),
        ("USER_UPDATED", {"name": "Dana Dispatcher"}),
        ("ROLE_CHANGED", {"role": "DISPATCHER", "driverId": None}),
        ("USER_UPDATED", {"name": "Dana D."}),
        ("ROLE_CHANGED", {"role": "DRIVER", "driverId": 1}),
        ("USER_DEACTIVATED", {"active": True}),
        ("PASSWORD_CHANGED", None),
        ("USER_REACTIVATED", {"active": False}),
    ]
    assert documents[0]["payload"]["account"] == dana | {"active": True, "language": "en"}
    for document in documents:
        assert document["userId"] == user["id"]
        assert document["payload"]["user"] == {"id": 1, "name": "Demo Dispatcher"}
        assert document["requestId"]
        assert not {"loadId", "driverId", "assignmentId"} & document.keys()


def test_passwords_and_logouts_are_events_without_a_secret(app, client, recorded):
    client.post("/users", DANA)
    body = {"oldPassword": DEMO_PASSWORD, "newPassword": "another-password"}
    client.post("/me/password", body)
    answer = client.post("/auth/login", {"email": DEMO_EMAIL, "password": "another-password"})
    client.token = answer.json["access_token"]
    client.post("/auth/logout-all")
    documents = recorded()
    types = [document["type"] for document in documents]
    assert types == ["USER_CREATED", "PASSWORD_CHANGED", "SESSIONS_ENDED"]
    secrets = [DANA["password"], *body.values(), DANA["email"], DEMO_EMAIL, *answer.json.values()]
    with app.app_context():
        secrets += db.session.scalars(select(User.password_hash))
    for secret in (secret for secret in secrets if isinstance(secret, str) and len(secret) > 8):
        assert secret not in str(documents)
