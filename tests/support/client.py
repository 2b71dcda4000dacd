"""A client that speaks the API's JSON."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.contract import Operation, assert_documented, creator_of

OF_DRIVERS = ("/me/assignment", "/me/documents", "/me/notifications", "/me/push-")


class ApiClient:
    """Flask's test client, with an optional bearer token and shorthands.

    Every answer must be documented.
    """

    def __init__(
        self, client: FlaskClient, token: str | None = None, driver_token: str | None = None
    ):
        """`driver_token` is for what only drivers may do, in tests of all operations."""
        self._client = client
        self.token = token
        self.driver_token = driver_token

    def request(self, method: str, path: str, body: Any = None, **options) -> TestResponse:
        """Send `body` as JSON, if there is one; `options` are those of Flask's test client."""
        headers = dict(options.pop("headers", {}))
        is_for_drivers = self.driver_token and path.startswith(OF_DRIVERS)
        if token := self.driver_token if is_for_drivers else self.token:
            headers.setdefault("Authorization", f"Bearer {token}")
        if body is not None:
            options["json"] = body
        answer = self._client.open(path, method=method, headers=headers, **options)
        assert_documented(answer)
        return answer

    def get(self, path: str, **options) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options) -> TestResponse:
        return self.request("POST", path, body, **options)

    def patch(self, path: str, body: Any = None, **options) -> TestResponse:
        return self.request("PATCH", path, body, **options)

    def log_in(self, email: str, password: str) -> TestResponse:
        return self.post("/auth/login", {"email": email, "password": password})

    def make_driver(self, license_number: str = "TX-1", **fields) -> dict:
        body = {"name": "Alex Carter", "licenseNumber": license_number, **fields}
        return self._created(self.post("/drivers", body))

    def make_load(self, **fields) -> dict:
        body = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
        return self._created(self.post("/loads", body | fields))

    def assign(self, driver: dict, load: dict) -> dict:
        body = {"driverId": driver["id"], "loadId": load["id"]}
        return self._created(self.post("/assignments", body))

    def close(self, assignment: dict, status: str) -> dict:
        answer = self.patch(f"/assignments/{assignment['id']}/status", {"status": status})
        assert answer.status_code == 200, answer.text
        return answer.json

    def make_missing(self, operation: Operation) -> None:
        """Make the row 1 of the operation's path, unless there is one."""
        create = creator_of(operation)
        if create and self.get(f"{create.path}/1").status_code == 404:
            self._created(self.post(create.path, create.full_body))

    @staticmethod
    def _created(answer: TestResponse) -> dict:
        assert answer.status_code == 201, answer.text
        return answer.json
