"""HTTP over real connections, for tests against servers in other processes."""

import http.client
import json
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import local
from typing import Any

ANSWER_SECONDS = 30
IDLE_SECONDS = 10
"""How long a connection is reused; the server closes idle ones, too, and later."""


@dataclass(frozen=True)
class Reply:
    """An answer, its body decoded if it was JSON."""

    status: int
    headers: http.client.HTTPMessage
    body: Any


def read_reply(connection: socket.socket) -> Reply:
    """Read a JSON answer from a connection."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return Reply(answer.status, answer.headers, json.loads(answer.read()))


class HttpClient:
    """A client with one connection per thread, and without retries.

    Failures raise `OSError` or `http.client.HTTPException`.
    """

    def __init__(self, port: int, token: str | None = None):
        self.port = port
        self.token = token
        self._local = local()
        self._connections: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close the connections of all threads; they reconnect on use."""
        for connection in self._connections:
            connection.close()

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send `body` as JSON, if there is one, and bytes as they are."""
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        content = body
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = self._connection()
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        with suppress(ValueError):
            return Reply(answer.status, answer.headers, json.loads(text))
        return Reply(answer.status, answer.headers, text)

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.request("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Reply:
        return self.request("PATCH", path, body, **headers)

    def make_driver(self, license_number: str, name: str = "Alex Carter", **fields) -> dict:
        body = {"name": name, "licenseNumber": license_number}
        return self._created(self.post("/drivers", body | fields))

    def make_load(self, **fields: str) -> dict:
        body = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
        return self._created(self.post("/loads", body | fields))

    def assign(self, driver: dict, load: dict, *, plan: bool = False) -> Reply:
        body = {"driverId": driver["id"], "loadId": load["id"], "plan": plan}
        return self.post("/assignments", body)

    def assign_many(self, pairs: Iterable[tuple[dict, dict]], **headers: str) -> Reply:
        rows = [{"driverId": driver["id"], "loadId": load["id"]} for driver, load in pairs]
        return self.post("/assignments/bulk", {"assignments": rows}, **headers)

    def reassign(
        self, assignment_id: int, driver: dict, *, plan: bool = False, **headers: str
    ) -> Reply:
        path = f"/assignments/{assignment_id}/reassign"
        return self.post(path, {"driverId": driver["id"], "plan": plan}, **headers)

    def reopen(self, assignment_id: int) -> Reply:
        return self.post(f"/assignments/{assignment_id}/reopen", {"reason": "A wrong tap"})

    def close_assignment(self, assignment_id: int, status: str = "COMPLETED") -> Reply:
        return self.patch(f"/assignments/{assignment_id}/status", {"status": status})

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=ANSWER_SECONDS
            )
            self._connections.append(self._local.connection)
        elif time.monotonic() - self._local.used_at > IDLE_SECONDS:
            self._local.connection.close()  # it reconnects
        self._local.used_at = time.monotonic()
        return self._local.connection

    @staticmethod
    def _created(reply: Reply) -> dict:
        assert reply.status == 201, reply
        return reply.body
