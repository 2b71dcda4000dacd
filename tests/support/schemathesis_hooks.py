"""Schemathesis hooks for rules that the OpenAPI document cannot express.

Some values must be unique, or made by the API, or fit others. Well-formed values that would be
refused are replaced; malformed ones are sent unchanged.
"""

import json
import os
from collections.abc import Callable
from itertools import count
from typing import Any

import requests
import schemathesis
from marshmallow import ValidationError
from marshmallow.fields import String
from schemathesis.core.parameters import ParameterLocation

from billor.http.fields import EmailAddress, Identifier, Text

LONG_AGO, LAST_DAY = "2000-01-01T00:00:00Z", "9999-12-31"
END_OF_TIME = f"{LAST_DAY}T23:59:59Z"
END_OF = {
    "from": "to",
    "createdFrom": "createdTo",
    "pickupFrom": "pickupTo",
    "pickupAt": "deliverBy",
}
IDENTIFIER = Identifier(max_length=64)
UNIQUE = {
    "licenseNumber": (IDENTIFIER, "{}"),
    "reference": (IDENTIFIER, "{}"),
    "email": (EmailAddress(), "{}@billor.example"),
}
"""Fields with a unique constraint: how they are read, and a value for any number."""
TEXT = Text(max_length=10_000)
CSV_HEADER = "origin,destination,cargoType\n"

API = os.environ["BILLOR_URL"]
AUTHORIZATION = f"Bearer {os.environ['BILLOR_TOKEN']}"
AS_ADMIN = {"Authorization": f"Bearer {os.environ['BILLOR_ADMIN_TOKEN']}"}
DOUBLE = {
    "email": os.environ["BILLOR_DOUBLE_EMAIL"],
    "password": os.environ["BILLOR_DOUBLE_PASSWORD"],
}
"""A user of the same role as the token's, who may be logged out."""
ENDS_TOKENS = {"/auth/logout", "/auth/logout-all", "/me/password"}
DRIVER_ID = 1
USED_USERS = 8
"""The users with the lowest ids make the requests, but the demo user does not."""
DEMO_USER = 2

numbers = count(1)


@schemathesis.hook
def before_call(context, case: schemathesis.Case, kwargs):
    if case.path in ENDS_TOKENS and case.headers.get("Authorization") == AUTHORIZATION:
        case.headers["Authorization"] = f"Bearer {_log_in_double()['access_token']}"
    if case.path == "/users/{user_id}" and case.method != "GET":
        _spare_used_users(case.path_parameters)
    if case.path.startswith("/me/assignment") and os.environ["BILLOR_ROLE"] == "DRIVER":
        _assign_a_load(DRIVER_ID)
    if case.path.endswith("/reassign") and os.environ["BILLOR_ROLE"] != "DRIVER":
        _fit_reassignment(case)
    if _is_well_formed(case, ParameterLocation.HEADER):
        _fit_headers(case.headers)
    if _is_well_formed(case, ParameterLocation.QUERY):
        _fit_query(case.query)
    if _is_well_formed(case, ParameterLocation.BODY):
        fitted = _fitted_text if case.path == "/auth/login" else _fitted_field
        case.body = _fitted_body(case.body, case.media_type, fitted)
        if isinstance(case.body, dict):
            _fit_ends(case.body)
            if case.path.startswith("/users"):
                case.body = _fitted_role(case.body)
        if case.path == "/auth/refresh":
            case.body = {"refreshToken": _log_in_double()["refreshToken"]}
        elif case.path == "/me/password":
            case.body = dict.fromkeys(("oldPassword", "newPassword"), DOUBLE["password"])


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context, value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _is_well_formed(case: schemathesis.Case, location: ParameterLocation) -> bool:
    return case.meta is None or not case.meta.is_negative_at(location)


def _log_in_double() -> dict[str, Any]:
    return requests.post(f"{API}/auth/login", json=DOUBLE, timeout=30).json()


def _spare_used_users(path_parameters: dict[str, Any]) -> None:
    if str(path_parameters.get("user_id")) in map(str, range(1, USED_USERS + 1)):
        path_parameters["user_id"] = DEMO_USER


def _assign_a_load(driver_id: int) -> int | None:
    """Give the driver a load, unless there is one; return the new assignment's id."""
    load = {"origin": "Dallas, TX", "destination": "Reno, NV", "cargoType": "Steel"}
    made = requests.post(f"{API}/loads", json=load, headers=AS_ADMIN, timeout=30).json()
    body = {"driverId": driver_id, "loadId": made["id"]}
    answer = requests.post(f"{API}/assignments", json=body, headers=AS_ADMIN, timeout=30)
    return answer.json().get("id")


def _fit_reassignment(case: schemathesis.Case) -> None:
    """Have an active assignment, and a driver who is free."""
    query = {"available": "true", "limit": 2}
    free = requests.get(f"{API}/drivers", query, headers=AS_ADMIN, timeout=30).json()
    if len(free) < 2:
        return
    if _is_well_formed(case, ParameterLocation.PATH):
        case.path_parameters["assignment_id"] = _assign_a_load(free[0]["id"])
    if _is_well_formed(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        case.body["driverId"] = free[1]["id"]


def _fit_headers(headers) -> None:
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"fuzz-{next(numbers)}"
    if "If-Match" in headers:
        headers["If-Match"] = "*"


def _fit_query(query: dict[str, Any]) -> None:
    query.pop("cursor", None)
    query |= {name: _fitted_text(name, value) for name, value in query.items()}
    if "timeZone" in query:
        query["timeZone"] = "America/Chicago"
    _fit_ends(query)


def _fit_ends(values: dict[str, Any]) -> None:
    """Have what ends end after it has started."""
    for start, end in END_OF.items():
        if values.get(start) is not None and values.get(end) is not None:
            values[end] = END_OF_TIME
            if str(values[start]).startswith(LAST_DAY):
                values[start] = LONG_AGO


def _fitted_body(body: Any, media_type: str | None, fitted: Callable[[str, Any], Any]) -> Any:
    if isinstance(body, dict):
        return {name: fitted(name, value) for name, value in body.items()}
    if isinstance(body, str) and media_type == "text/csv":
        return CSV_HEADER + body
    return body


def _fitted_role(body: dict[str, Any]) -> dict[str, Any]:
    """Drivers, and only they, belong to a driver."""
    if "role" not in body and body.get("driverId") is None:
        return {name: value for name, value in body.items() if name != "driverId" or value}
    if body.get("role") == "DRIVER" or ("role" not in body and body["driverId"]):
        return body | {"role": "DRIVER", "driverId": DRIVER_ID}
    return body | {"driverId": None} if "driverId" in body else body


def _fitted_field(name: str, value: Any) -> Any:
    if isinstance(value, float):  # JSON Schema takes 1.0 for an integer
        return int(value)
    if isinstance(value, list):
        return [_fitted_body(each, None, _fitted_field) for each in value]
    if name in UNIQUE and isinstance(value, str):
        field, pattern = UNIQUE[name]
        unique = f"{next(numbers)}{value}"
        return unique if _is_read_by(field, unique) else pattern.format(next(numbers))
    return _fitted_text(name, value)


def _fitted_text(_name: str, value: Any) -> Any:
    """The value, or ASCII instead of a text with characters that no regex tells from others."""
    if isinstance(value, str) and value.strip() and not _is_read_by(TEXT, value):
        return "".join(filter(str.isascii, value)).strip() or "text"
    return value


def _is_read_by(field: String, value: str) -> bool:
    try:
        field.deserialize(value)
    except ValidationError:
        return False
    return True
