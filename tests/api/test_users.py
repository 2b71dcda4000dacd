"""Users over HTTP: their life cycle, passwords and email addresses."""

import time

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type
from sqlalchemy import select, update

from billor.extensions import db
from billor.models import User
from tests.support.answers import assert_problem

DANA = {"name": "Dana Dispatcher", "email": "Dana@billor.example"}


def test_a_user_is_created_shown_and_listed(client):
    answer = client.post("/users", DANA | {"password": "a-good-password"})
    user = answer.json
    assert answer.status_code == 201
    assert user == {
        **DANA,
        "id": user["id"],
        "role": "DISPATCHER",
        "driverId": None,
        "active": True,
        "createdAt": user["createdAt"],
    }
    assert client.get(f"/users/{user['id']}").json == user
    assert client.get("/users").json[0] == user
    assert_problem(client.get(f"/users/{user['id'] + 1}"), 404, "user_not_found")


def stored_hash(app, user):
    with app.app_context():
        return db.session.scalar(select(User.password_hash).where(User.id == user["id"]))


def test_a_password_is_stored_as_a_salted_argon2id_hash(client, app):
    # Characters that other hash functions truncate or refuse.
    password = " pässwörd\x00🚚 "
    users = [
        client.post("/users", {"name": "N", "email": f"{n}@billor.example", "password": password})
        for n in range(2)
    ]
    hashes = [stored_hash(app, user.json) for user in users]
    assert hashes[0] != hashes[1]
    for password_hash in hashes:
        parameters = extract_parameters(password_hash)
        assert parameters.type is Type.ID
        # OWASP's minimum.
        assert parameters.memory_cost >= 19 * 1024
        assert parameters.time_cost >= 2
    credentials = {"email": "0@billor.example", "password": password}
    assert client.post("/auth/login", credentials).status_code == 200


def test_a_user_without_a_password_has_no_hash(client, app):
    assert stored_hash(app, client.post("/users", DANA).json) is None


@pytest.mark.parametrize("email", [DANA["email"], "dana@BILLOR.example", " DANA@billor.example "])
def test_an_email_address_belongs_to_one_user_in_any_case(client, email):
    client.post("/users", DANA)
    refused = client.post("/users", {"name": "Another", "email": email})
    assert_problem(refused, 409, "email_taken")
    assert len(client.get("/users").json) == 2  # the client's user, and Dana


def test_a_taken_email_address_names_the_user_who_has_it(client):
    dana = client.post("/users", DANA).json
    refused = client.post("/users", {"name": "Another", "email": "DANA@billor.example"})
    problem = assert_problem(refused, 409, "email_taken")
    assert problem["userId"] == dana["id"]
    assert f"User {dana['id']} has this email address" in problem["detail"]


ONE_ADDRESS = {
    "Dana@München.example": [
        *("dana@münchen.example", "DANA@MÜNCHEN.EXAMPLE", "dana@xn--mnchen-3ya.example"),
        *("dana@mu\u0308nchen.example", "Dana@XN--MNCHEN-3YA.example"),
        "\u00a0dana\uff20m\u00fcnchen\u3002example ",
    ],
    "José@billor.example": ["jose\u0301@billor.example", "JOSÉ@BILLOR.example"],
    "o'brien@billor.example": ["O'Brien@Billor.Example", "ｏ'brien@billor.example"],
}


@pytest.mark.parametrize(
    ("email", "another"), [(one, each) for one, others in ONE_ADDRESS.items() for each in others]
)
def test_an_email_address_in_any_form_finds_its_user(client, anonymous, email, another):
    body = {"name": "N", "email": email, "password": "a-good-password"}
    user = client.post("/users", body).json
    refused = client.post("/users", {"name": "Another", "email": another})
    assert assert_problem(refused, 409, "email_taken")["userId"] == user["id"]
    for form in (email, another, user["email"]):
        assert client.get("/users", query_string={"email": form}).json == [user]
        credentials = {"email": form, "password": "a-good-password"}
        assert anonymous.post("/auth/login", credentials).status_code == 200


def test_an_unknown_or_invalid_email_address_finds_nobody(client):
    for email in ("nobody@billor.example", "dana", "@", "d\u0430na@billor.example"):
        assert client.get("/users", query_string={"email": email}).json == []


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("d\u0430na@billor.example", "Must not mix letters of Cyrillic and Latin"),
        ("dana@b\u0456llor.example", "Must not mix letters of Cyrillic and Latin"),
        ("dana\u200b@billor.example", "U+200B ZERO WIDTH SPACE"),
    ],
)
def test_an_email_address_that_looks_like_another_is_refused(client, email, message):
    refused = client.post("/users", DANA | {"email": email})
    problem = assert_problem(refused, 422, "validation_failed")
    assert message in problem["errors"]["email"][0]


def test_a_user_with_an_address_from_before_can_log_in(app, client, anonymous):
    old = {name: f"{number}@old.example" for number, name in enumerate(OLD_ADDRESSES)}
    for name, email in old.items():
        body = {"name": "N", "email": email, "password": "a-good-password"}
        user = client.post("/users", body).json
        with app.app_context():
            db.session.execute(update(User).where(User.id == user["id"]).values(email=name))
            db.session.commit()
        credentials = {"email": name.upper(), "password": "a-good-password"}
        assert anonymous.post("/auth/login", credentials).status_code == 200, name


OLD_ADDRESSES = ['"da na"@billor.example', "d\u0430na@billor.example", "dana@localhost"]


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("dana", id="no domain"),
        pytest.param("@billor.example", id="no user"),
        pytest.param("dana@", id="nothing after the at"),
        pytest.param("dana@billor", id="no dot"),
        pytest.param("da na@billor.example", id="space"),
        pytest.param("dana@billor.example\x00", id="NUL"),
        pytest.param("dana@billor.example, eve@billor.example", id="two"),
        pytest.param("x" * 245 + "@billor.example", id="too long"),
        pytest.param('"\x01"@billor.example', id="quoted control character"),
        pytest.param('"da\\\x1bna"@billor.example', id="escaped control character"),
        pytest.param("\ud800@billor.example", id="lone surrogate"),
        pytest.param("dana@\ud800.example", id="lone surrogate in the domain"),
    ],
)
def test_an_invalid_email_address_is_refused(client, email):
    problem = assert_problem(
        client.post("/users", DANA | {"email": email}), 422, "validation_failed"
    )
    assert list(problem["errors"]) == ["email"]


def test_passwords_have_8_to_1024_characters(client):
    for password in ("x" * 8, "x" * 1024):
        body = {"name": "N", "email": f"{len(password)}@billor.example", "password": password}
        assert client.post("/users", body).status_code == 201
    for password in ("x" * 7, "x" * 1025, "", 12345678, None, ["x" * 8], "lone \ud800 surrogate"):
        answer = client.post("/users", DANA | {"password": password})
        problem = assert_problem(answer, 422, "validation_failed")
        assert list(problem["errors"]) == ["password"]
        assert "x" * 7 not in answer.text


def test_a_password_that_is_too_long_is_refused_without_much_work(client):
    """To order marks takes time that grows with the square of their number."""
    body = DANA | {"password": "\u0301\u0327" * 50_000}
    started = time.process_time()
    assert_problem(client.post("/users", body), 422, "validation_failed")
    assert time.process_time() - started < 1


def test_each_code_point_of_a_password_counts_as_one_character(client):
    """NIST SP 800-63B, section 3.1.1.2."""
    for number, character in enumerate("é🚚\u0301"):
        body = {"name": "N", "email": f"{number}@billor.example"}
        refused = client.post("/users", body | {"password": character * 7})
        assert_problem(refused, 422, "validation_failed")
        assert client.post("/users", body | {"password": character * 8}).status_code == 201
