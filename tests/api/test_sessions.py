"""Sessions: refresh tokens, logouts, and what ends tokens at once."""

import time
from datetime import timedelta

import jwt
import pytest
from flask_jwt_extended import create_refresh_token
from sqlalchemy import select

from billor.auth import sessions
from billor.auth.sessions import RETRY_SECONDS
from billor.models import LoadEvent, User, db
from billor.users.service import update_user
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_problem
from tests.support.client import ApiClient
from tests.support.databases import run_sql
from tests.support.users import make_user
from tests.support.worker import WAIT_SECONDS

NEW_PASSWORD = "another-good-password"


def log_in(api, password=DEMO_PASSWORD, email=DEMO_EMAIL) -> dict:
    answer = api.post("/auth/login", {"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return answer.json


def refresh(api, refresh_token: str):
    return api.post("/auth/refresh", {"refreshToken": refresh_token})


def refreshed(api, tokens: dict) -> dict:
    answer = refresh(api, tokens["refreshToken"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def claims(app, token: str) -> dict:
    return jwt.decode(token, app.config["JWT_SECRET_KEY"], ["HS256"])


@pytest.fixture
def user(app) -> User:
    with app.app_context():
        return make_user("Demo Dispatcher", DEMO_EMAIL, DEMO_PASSWORD)


@pytest.fixture
def logged_in(user, anonymous) -> dict:
    """The answer to a login."""
    return log_in(anonymous)


@pytest.fixture
def status(app):
    """The status of a request with an access token."""

    def ask(tokens: dict | str) -> int:
        token = tokens if isinstance(tokens, str) else tokens["access_token"]
        return ApiClient(app.test_client(), token).get("/loads").status_code

    return ask


@pytest.fixture
def pass_time(app):
    """Make all sessions older by this time."""

    def pass_(time: timedelta) -> None:
        times = "refreshed_at = refreshed_at - :time, expires_at = expires_at - :time"
        run_sql(app, f"UPDATE sessions SET {times}", time=time)  # noqa: S608
        app.extensions["cached_users"].clear()

    return pass_


# Refreshing


def test_a_refresh_token_is_exchanged_for_the_next_tokens(app, anonymous, logged_in, status):
    tokens = logged_in
    for generation in range(3):
        assert claims(app, tokens["refreshToken"])["gen"] == generation
        assert status(tokens) == 200
        assert tokens["refreshExpiresIn"] <= 43_200
        tokens = refreshed(anonymous, tokens)
    assert status(logged_in) == 200, "an access token lasts as long as it says"


def test_no_token_outlives_its_session(app, anonymous, logged_in, status, pass_time):
    pass_time(timedelta(hours=11, minutes=59))
    tokens = refreshed(anonymous, logged_in)
    assert 50 <= tokens["expires_in"] == tokens["refreshExpiresIn"] <= 60
    for name in ("access_token", "refreshToken"):
        assert claims(app, tokens[name])["exp"] <= time.time() + 60
    pass_time(timedelta(minutes=1))
    assert_problem(refresh(anonymous, tokens["refreshToken"]), 401, "token_invalid")
    assert status(tokens) == 401


@pytest.mark.parametrize("passed", [RETRY_SECONDS, -7200], ids=["late", "clock set back"])
def test_reuse_of_an_old_refresh_token_ends_the_session(
    app, anonymous, logged_in, status, pass_time, passed
):
    other_session = log_in(anonymous)
    tokens = refreshed(anonymous, logged_in)
    pass_time(timedelta(seconds=passed))
    assert_problem(refresh(anonymous, logged_in["refreshToken"]), 401, "token_invalid")
    assert_problem(refresh(anonymous, tokens["refreshToken"]), 401, "token_invalid")
    assert [status(each) for each in (logged_in, tokens, other_session)] == [401, 401, 200]
    with app.app_context():
        events = db.session.scalars(select(LoadEvent)).all()
    assert [event.type for event in events] == ["user.refresh_token_reused"]


def test_a_retry_within_seconds_gets_an_equal_answer(
    app, anonymous, logged_in, pass_time, monkeypatch
):
    """As after a lost answer."""
    monkeypatch.setattr(sessions, "RETRY_SECONDS", 2 * WAIT_SECONDS)
    first = refreshed(anonymous, logged_in)
    pass_time(timedelta(seconds=WAIT_SECONDS))
    second = refreshed(anonymous, logged_in)
    assert claims(app, second["refreshToken"])["gen"] == claims(app, first["refreshToken"])["gen"]
    pass_time(timedelta(seconds=2 * WAIT_SECONDS))
    third = refreshed(anonymous, first)
    assert refreshed(anonymous, second)["expires_in"] == third["expires_in"]


def test_only_refresh_tokens_of_sessions_are_refreshed(app, anonymous, logged_in):
    with app.app_context():
        bare = create_refresh_token("1")
        expired = create_refresh_token("1", expires_delta=timedelta(minutes=-1))
    for token, code in (
        (logged_in["access_token"], "token_invalid"),
        (bare, "token_invalid"),
        (expired, "token_expired"),
        (f"{logged_in['refreshToken']}x", "token_invalid"),
        ("nonsense", "token_invalid"),
    ):
        assert_problem(refresh(anonymous, token), 401, code)


def test_no_token_is_stored(app, anonymous, logged_in):
    tokens = [*logged_in.values(), *refreshed(anonymous, logged_in).values()]
    queries = [f"SELECT * FROM {table}" for table in db.metadata.tables]  # noqa: S608
    rows = [str(run_sql(app, query)) for query in queries]
    for token in (token for token in tokens if isinstance(token, str) and len(token) > 20):
        assert not any(token in row or token.rpartition(".")[2] in row for row in rows)


# Ends


def test_a_logout_ends_its_session_or_all_of_them(app, anonymous, logged_in, status):
    def log_out(path: str, tokens: dict) -> None:
        answer = ApiClient(app.test_client(), tokens["access_token"]).post(path)
        assert (answer.status_code, answer.data) == (204, b"")

    other_session = log_in(anonymous)
    tokens = refreshed(anonymous, logged_in)
    assert {status(logged_in), status(tokens), status(other_session)} == {200}
    log_out("/auth/logout", tokens)
    assert [status(each) for each in (logged_in, tokens, other_session)] == [401, 401, 200]
    assert_problem(refresh(anonymous, tokens["refreshToken"]), 401, "token_invalid")
    third_session = log_in(anonymous)
    log_out("/auth/logout-all", other_session)
    assert [status(each) for each in (other_session, third_session)] == [401, 401]


def test_a_login_during_a_change_of_password_gets_dead_tokens(app, anonymous, user, monkeypatch):
    """It has checked the old password."""
    start_session = sessions.start_session

    def start_late(user):
        with app.app_context():
            update_user(user.id, password=NEW_PASSWORD)
        return start_session(user)

    monkeypatch.setattr("billor.auth.service.start_session", start_late)
    tokens = log_in(anonymous)
    monkeypatch.undo()
    assert_problem(
        ApiClient(app.test_client(), tokens["access_token"]).get("/me"), 401, "token_invalid"
    )
    assert_problem(refresh(anonymous, tokens["refreshToken"]), 401, "token_invalid")
