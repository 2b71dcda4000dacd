"""Promise 8: whatever ends a token ends it within two seconds in every process."""

import time
from uuid import uuid4

import pytest

from billor.auth.guard import USER_CACHE_SECONDS
from billor.models import Role
from billor.users.service import create_user
from tests.support.system import Api, System

PASSWORD = "a-good-password"
CHANGES = {
    "password": lambda _admin, own, _id: own.post(
        "/me/password", {"oldPassword": PASSWORD, "newPassword": "another-good-password"}
    ),
    "role": lambda admin, _own, id_: admin.patch(f"/users/{id_}", {"role": "ADMIN"}),
    "deactivation": lambda admin, _own, id_: admin.patch(f"/users/{id_}", {"active": False}),
    "logout": lambda _admin, own, _id: own.post("/auth/logout", {}),
    "logout everywhere": lambda _admin, own, _id: own.post("/auth/logout-all", {}),
}


@pytest.fixture
def user(shared_system: System) -> tuple[int, str]:
    """The id and the email address of a dispatcher."""
    email = f"{uuid4()}@billor.example"
    with shared_system.app.app_context():
        return create_user("Robin", email, PASSWORD, Role.DISPATCHER).id, email


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_old_token_is_dead_within_two_seconds_in_every_process(
    shared_system: System, api: Api, user: tuple[int, str], change
):
    user_id, email = user
    logged_in = api.client.post("/auth/login", {"email": email, "password": PASSWORD})
    clients = [shared_system.connect(api.client.port) for _ in range(12)]
    for client in clients:
        client.token = logged_in.body["access_token"]
    assert {client.get("/loads").status for client in clients} == {200}
    processes = [count for count in api.clients() if count]
    assert len(processes) > 1, "connections are spread over processes"

    assert change(api.client, clients[0], user_id).status in (200, 204)
    for _ in range(3):  # a use does not prolong it
        assert {client.get("/loads").status for client in clients} <= {200, 401}
        time.sleep(USER_CACHE_SECONDS / 2)
    assert {client.get("/loads").status for client in clients} == {401}
    refresh = {"refreshToken": logged_in.body["refreshToken"]}
    assert clients[0].post("/auth/refresh", refresh).status == 401
