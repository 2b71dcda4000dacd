"""Users over HTTP: their life cycle, passwords and email addresses."""

import pytest

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
    assert client.get("/users").json[0] == user | {"lastSeenAt": None}
    assert_problem(client.get(f"/users/{user['id'] + 1}"), 404, "user_not_found")


ONE_ADDRESS = {
    "Dana@München.example": [
        *("dana@münchen.example", "DANA@MÜNCHEN.EXAMPLE", "dana@xn--mnchen-3ya.example"),
        *("dana@mu\u0308nchen.example", "Dana@XN--MNCHEN-3YA.example"),
        "\u00a0dana\uff20m\u00fcnchen\u3002example ",
    ],
    "Eve@billor.example": ["eve@BILLOR.example", " EVE@billor.example "],
    "José@billor.example": ["jose\u0301@billor.example", "JOSÉ@BILLOR.example"],
    "o'brien-li@billor-x.example": [
        *("O'Brien-Li@Billor-X.Example", "ｏ'brien-li@billor-x.example"),
        "o\u2019brien\u2011li@billor\u2013x.example",
        "o\u00b4brien\u2014li@billor\u2010x.example",
    ],
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
        (found,) = client.get("/users", query_string={"email": form}).json
        assert found["id"] == user["id"]
        credentials = {"email": form, "password": "a-good-password"}
        assert anonymous.post("/auth/login", credentials).status_code == 200
