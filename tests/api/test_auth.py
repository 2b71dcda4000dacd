"""Login, and every kind of invalid token."""

import base64
import json
import time

import jwt
import pytest
from argon2 import PasswordHasher, extract_parameters

from billor.auth.tokens import CLOCK_LEEWAY_SECONDS
from billor.users import passwords
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.answers import assert_problem

OTHER_KEY = "another-key-for-tests-0123456789abcdef"


def log_in(api, email=DEMO_EMAIL, password=DEMO_PASSWORD):
    return api.post("/auth/login", {"email": email, "password": password})


def test_a_correct_password_returns_a_token_that_authorizes_requests(client, anonymous, config):
    answer = log_in(anonymous)
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


@pytest.mark.parametrize("email", [DEMO_EMAIL.upper(), f"  {DEMO_EMAIL.title()} "])
def test_login_ignores_the_case_of_the_email_address(client, email):
    assert log_in(client, email).status_code == 200


class CountingHasher(PasswordHasher):
    """Records the hashes that passwords are checked against."""

    def __init__(self):
        super().__init__(memory_cost=19 * 1024, time_cost=2, parallelism=1)
        self.checked = []

    def verify(self, hash, password):  # noqa: A002 - the library's name
        self.checked.append(hash)
        return super().verify(hash, password)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param(DEMO_EMAIL, "wrong", id="wrong password"),
        pytest.param(DEMO_EMAIL, DEMO_PASSWORD.upper(), id="wrong case"),
        pytest.param(DEMO_EMAIL, f" {DEMO_PASSWORD} ", id="spaces around"),
        pytest.param("nobody@billor.example", "nobody", id="unknown email"),
        pytest.param("no email address at all", DEMO_PASSWORD, id="no email address"),
        pytest.param("silent@billor.example", "nobody", id="user without a password"),
        pytest.param("gone@billor.example", DEMO_PASSWORD, id="deactivated user"),
    ],
)
def test_every_failed_login_gets_the_same_answer_after_one_hash_check(
    client, monkeypatch, email, password
):
    client.post("/users", {"name": "Silent", "email": "silent@billor.example"})
    gone = {"name": "Gone", "email": "gone@billor.example", "password": DEMO_PASSWORD}
    client.request("DELETE", client.post("/users", gone).headers["Location"])
    hasher = CountingHasher()
    monkeypatch.setattr(passwords, "_hasher", hasher)
    problem = assert_problem(log_in(client, email, password), 401, "invalid_credentials")
    assert problem["detail"] == "The email address or the password is wrong. Check both."
    # For equal timing: one check each, with the parameters of a user's hash.
    (checked,) = hasher.checked
    assert extract_parameters(checked) == extract_parameters(passwords.hash_password("any"))


def claims(**changes):
    now = int(time.time())
    usual = {"sub": "1", "iat": now, "nbf": now, "exp": now + 60, "jti": "1", "type": "access"}
    return usual | {"fresh": False} | changes


def forged(key, algorithm="HS256", **changes):
    return jwt.encode(claims(**changes), key, algorithm)


def endless(key):
    """A token that never expires."""
    unlimited = {name: value for name, value in claims().items() if name != "exp"}
    return jwt.encode(unlimited, key, "HS256")


def tampered(token):
    """The same token in the name of another user."""
    head, body, signature = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=="))
    content["sub"] = "2"
    body = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


def test_a_well_formed_token_is_accepted(client, config):
    # A control for the refusals below.
    client.token = forged(config.jwt_secret_key)
    assert client.get("/loads").status_code == 200


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_a_clock_ahead_is_accepted_within_the_leeway(client, config, claim):
    for ahead in (0, 1, 2, CLOCK_LEEWAY_SECONDS - 1):
        client.token = forged(config.jwt_secret_key, **{claim: time.time() + ahead})
        assert client.get("/loads").status_code == 200, ahead
    client.token = forged(config.jwt_secret_key, **{claim: time.time() + CLOCK_LEEWAY_SECONDS + 2})
    assert_problem(client.get("/loads"), 401, "token_invalid")


def test_the_leeway_does_not_prolong_a_token(client, config):
    for ago in (0, 1, CLOCK_LEEWAY_SECONDS - 1, CLOCK_LEEWAY_SECONDS + 2):
        client.token = forged(config.jwt_secret_key, exp=int(time.time()) - ago)
        assert_problem(client.get("/loads"), 401, "token_expired")


def test_times_in_a_token_may_be_fractions_or_texts(client, config):
    now = time.time()
    for moment in (now + 60.5, str(int(now) + 60)):
        client.token = forged(config.jwt_secret_key, exp=moment)
        assert client.get("/loads").status_code == 200, moment
    client.token = forged(config.jwt_secret_key, exp=str(int(now) - 1))
    assert_problem(client.get("/loads"), 401, "token_expired")
    for moment in ([now], {}, "soon", True):
        client.token = forged(config.jwt_secret_key, exp=moment)
        assert client.get("/loads").status_code == 401, moment


@pytest.mark.parametrize(
    ("code", "make_header"),
    [
        pytest.param("token_missing", lambda key: "", id="empty"),
        pytest.param("token_missing", lambda key: "Basic ZGVtbzpkZW1v", id="basic"),
        pytest.param("token_missing", lambda key: forged(key), id="no scheme"),
        pytest.param("token_missing", lambda key: "Bearer", id="no token"),
        pytest.param("token_invalid", lambda key: f"Bearer {forged(key)} more", id="more"),
        pytest.param("token_invalid", lambda key: "Bearer abc", id="no jwt"),
        pytest.param("token_invalid", lambda key: "Bearer a.b.c", id="no jwt either"),
        pytest.param("token_invalid", lambda key: "Bearer \xe9", id="not ASCII"),
        pytest.param("token_expired", lambda key: f"Bearer {forged(key, exp=1)}", id="expired"),
        pytest.param("token_invalid", lambda key: f"Bearer {endless(key)}", id="never expires"),
        pytest.param(
            "token_invalid",
            lambda key: f"Bearer {forged(key, nbf=int(time.time()) + 600)}",
            id="not yet valid",
        ),
        pytest.param(
            "token_invalid", lambda key: f"Bearer {forged(key, type='refresh')}", id="refresh"
        ),
        pytest.param("token_invalid", lambda key: f"Bearer {forged(OTHER_KEY)}", id="other key"),
        pytest.param(
            "token_invalid",
            lambda key: f"Bearer {forged(OTHER_KEY, exp=1)}",
            id="other key and expired",
        ),
        pytest.param("token_invalid", lambda key: f"Bearer {forged(None, 'none')}", id="alg none"),
        pytest.param("token_invalid", lambda key: f"Bearer {tampered(forged(key))}", id="tampered"),
        pytest.param(
            "token_invalid",
            lambda key: f"Bearer {forged(key).rpartition('.')[0]}.",
            id="signature cut off",
        ),
    ],
)
def test_an_invalid_token_is_refused(anonymous, config, code, make_header):
    header = make_header(config.jwt_secret_key)
    answer = anonymous.get("/loads", headers={"Authorization": header})
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
