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
        "language": "en",
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


@pytest.mark.parametrize("email", ONE_ADDRESS)
def test_an_email_address_in_any_form_finds_its_user(client, anonymous, email):
    body = {"name": "N", "email": email, "password": "a-good-password"}
    user = client.post("/users", body).json
    for form in (email, *ONE_ADDRESS[email]):
        refused = client.post("/users", {"name": "Another", "email": form})
        assert assert_problem(refused, 409, "email_taken")["userId"] == user["id"]
        (found,) = client.get("/users", query_string={"email": form}).json
        assert found["id"] == user["id"]
        assert anonymous.log_in(form, body["password"]).status_code == 200
