"""Login, and every kind of invalid token."""

import time

import jwt
import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from sqlalchemy import select

from billor.models import User, db
from billor.users import passwords
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_problem

OTHER_KEY = "another-key-for-tests-0123456789abcdef"
LEEWAY = 10


def log_in(api, email=DEMO_EMAIL, password=DEMO_PASSWORD):
    return api.post("/auth/login", {"email": email, "password": password})


def test_a_correct_password_returns_a_token_that_authorizes_requests(client, anonymous, config):
    answer = log_in(anonymous, f"  {DEMO_EMAIL.title()} ")
    assert answer.status_code == 200
    assert answer.json == {
        "access_token": answer.json["access_token"],
        "token_type": "Bearer",
        "expires_in": config.access_token_seconds,
        "refreshToken": answer.json["refreshToken"],
        "refreshExpiresIn": config.session_seconds,
    }
    (user,) = client.get("/users").json
    claims = jwt.decode(answer.json["access_token"], config.jwt_secret_key, ["HS256"])
    assert claims["sub"] == str(user["id"])
    assert claims["exp"] - claims["iat"] == config.access_token_seconds

    anonymous.token = answer.json["access_token"]
    assert anonymous.get("/loads").status_code == 200


class CountingHasher(PasswordHasher):
    """Records the hashes that passwords are checked against."""

    def __init__(self):
        super().__init__(memory_cost=19 * 1024, time_cost=2, parallelism=1)
        self.checked = []

    def verify(self, hash, password):  # noqa: A002 - the library's name
        self.checked.append(hash)
        return super().verify(hash, password)


FAILED = {
    "wrong password": (DEMO_EMAIL, "wrong"),
    "spaces around": (DEMO_EMAIL, f" {DEMO_PASSWORD} "),
    "unknown email": ("nobody@billor.example", "nobody"),
    "no email address": ("no email address at all", DEMO_PASSWORD),
    "user without a password": ("silent@billor.example", "nobody"),
    "deactivated user": ("gone@billor.example", DEMO_PASSWORD),
}


@pytest.mark.parametrize(("email", "password"), FAILED.values(), ids=FAILED)
def test_every_failed_login_gets_the_same_answer_after_one_hash_check(
    client, monkeypatch, email, password
):
    """So neither the answer nor its time says who is a user."""
    client.post("/users", {"name": "Silent", "email": "silent@billor.example"})
    gone = {"name": "Gone", "email": "gone@billor.example", "password": DEMO_PASSWORD}
    client.request("DELETE", client.post("/users", gone).headers["Location"])
    hasher = CountingHasher()
    monkeypatch.setattr(passwords, "_hasher", hasher)
    problem = assert_problem(log_in(client, email, password), 401, "invalid_credentials")
    assert problem["detail"] == "The email address or the password is wrong. Check both."
    (checked,) = hasher.checked
    assert extract_parameters(checked) == extract_parameters(passwords.hash_password("any"))


def test_passwords_are_stored_as_memory_hard_hashes(app, client):
    """At least as OWASP's Password Storage Cheat Sheet has it."""
    for name in ("a", "b"):
        user = {"name": name, "email": f"{name}@billor.example", "password": "the-same-password"}
        assert client.post("/users", user).status_code == 201
    with app.app_context():
        hashes = db.session.scalars(select(User.password_hash)).all()
    assert len(set(hashes)) == 3, "each has a salt of its own"
    for hash_ in hashes:
        parameters = extract_parameters(hash_)
        assert parameters.type is Type.ID
        assert parameters.memory_cost >= 19 * 1024
        assert parameters.time_cost >= 2


# Tokens


def claims(**changes):
    now = int(time.time())
    usual = {"sub": "1", "iat": now, "nbf": now, "exp": now + 60, "jti": "1", "type": "access"}
    return usual | {"fresh": False, "csrf": ""} | changes


def forged(key, algorithm="HS256", **changes):
    return jwt.encode(claims(**changes), key, algorithm)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_a_clock_ahead_is_accepted_within_the_leeway(client, config, claim):
    for ahead, status in ((0, 200), (LEEWAY - 3, 200), (LEEWAY + 3600, 401)):
        client.token = forged(config.jwt_secret_key, **{claim: int(time.time()) + ahead})
        assert client.get("/loads").status_code == status, ahead


HEADERS = {
    "empty": ("token_missing", lambda key: ""),
    "basic": ("token_missing", lambda key: "Basic ZGVtbzpkZW1v"),
    "no scheme": ("token_missing", lambda key: forged(key)),
    "no token": ("token_invalid", lambda key: "Bearer"),
    "no jwt": ("token_invalid", lambda key: "Bearer a.b.c"),
    "of nobody": ("token_invalid", lambda key: f"Bearer {forged(key, sub=str(2**31))}"),
    "not ASCII": ("token_invalid", lambda key: "Bearer \xe9"),
    "huge": ("token_invalid", lambda key: f"Bearer {'a.' * 50_000}"),
    "expired": ("token_expired", lambda key: f"Bearer {forged(key, exp=1)}"),
    "refresh": ("token_invalid", lambda key: f"Bearer {forged(key, type='refresh')}"),
    "other key": ("token_invalid", lambda key: f"Bearer {forged(OTHER_KEY)}"),
    "alg none": ("token_invalid", lambda key: f"Bearer {forged(None, 'none')}"),
    "HS384": ("token_invalid", lambda key: f"Bearer {forged(key, 'HS384')}"),
}


@pytest.mark.parametrize(("code", "make_header"), HEADERS.values(), ids=HEADERS)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_an_invalid_token_is_refused(client, config, code, make_header):
    for path in ("/loads", "/drivers"):  # from the cache, and from the app
        control = f"Bearer {forged(config.jwt_secret_key)}"
        assert client.get(path, headers={"Authorization": control}).status_code == 200
        header = make_header(config.jwt_secret_key)
        answer = client.get(path, headers={"Authorization": header})
        assert_problem(answer, 401, code)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_is_accepted_only_in_the_authorization_header(anonymous, config):
    token = forged(config.jwt_secret_key)
    for options in (
        {"query_string": {"access_token": token, "jwt": token}},
        {"headers": {"Cookie": f"access_token_cookie={token}; access_token={token}"}},
        {"body": {"access_token": token}},
    ):
        assert_problem(anonymous.get("/users", **options), 401, "token_missing")
