"""Schemathesis hooks: how a file is sent, and that the token stays valid."""

import json
from typing import Any

import schemathesis

OWN_ID, OTHER_ID = "1", "2"


@schemathesis.hook
def before_call(context, case: schemathesis.Case, kwargs) -> None:
    if case.method != "GET" and str(case.path_parameters.get("user_id")) == OWN_ID:
        case.path_parameters["user_id"] = OTHER_ID


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context, value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()
