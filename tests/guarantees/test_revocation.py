"""Promise 8: whatever ends a token ends it within two seconds in every process."""

import time
from uuid import uuid4

from billor.auth.guard import USER_CACHE_SECONDS
from billor.models import Role
from billor.users.service import create_user
from tests.support.http import HttpClient
from tests.support.system import Api, System

PASSWORD = "a-good-password"
CONNECTIONS = 12
CHANGES = {
    "password": lambda _admin, own, _id: own.post(
        "/me/password", {"oldPassword": PASSWORD, "newPassword": "another-good-password"}
    ),
    "role": lambda admin, _own, id_: admin.patch(f"/users/{id_}", {"role": "ADMIN"}),
    "deactivation": lambda admin, _own, id_: admin.patch(f"/users/{id_}", {"active": False}),
    "logout": lambda _admin, own, _id: own.post("/auth/logout", {}),
    "logout everywhere": lambda _admin, own, _id: own.post("/auth/logout-all", {}),
    "API key": lambda admin, _own, id_: admin.request("DELETE", f"/api-keys/{id_}"),
}


def test_an_old_token_is_dead_within_two_seconds_in_every_process(shared_system: System, api: Api):
    ended: dict[str, tuple[list[HttpClient], str]] = {}
    for name, change in CHANGES.items():
        email = f"{uuid4()}@billor.example"
        with shared_system.app.app_context():
            id_ = create_user("Robin", email, PASSWORD, Role.DISPATCHER).id
        logged_in = api.client.post("/auth/login", {"email": email, "password": PASSWORD}).body
        clients = [shared_system.connect(api.client.port) for _ in range(CONNECTIONS)]
        token, refresh_token = logged_in["access_token"], logged_in["refreshToken"]
        if name == "API key":
            made = api.client.post("/api-keys", {"name": "Accounting"}).body
            id_, token, refresh_token = made["id"], made["key"], "none"
        for client in clients:
            client.token = token
        assert {client.get("/loads").status for client in clients} == {200}, name
        assert change(api.client, clients[0], id_).status in (200, 204), name
        ended[name] = clients, refresh_token
    processes = [count for count in api.clients() if count > CONNECTIONS]
    assert len(processes) > 1, "connections are spread over processes"

    for _ in range(3):  # a use does not prolong it
        time.sleep(USER_CACHE_SECONDS / 2)
        statuses = {
            (name, client.get("/loads").status) for name in ended for client in ended[name][0]
        }
        assert {status for _, status in statuses} <= {200, 401}
    assert statuses == {(name, 401) for name in CHANGES}
    for name, (clients, refresh_token) in ended.items():
        refused = clients[0].post("/auth/refresh", {"refreshToken": refresh_token})
        assert refused.status == 401, name
