"""The context of a request: variables that are None outside of a request, and while unknown."""

import math
from contextvars import ContextVar
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from billor.models import Role

propagator = TraceContextTextMapPropagator()


class CurrentUser(NamedTuple):
    """The user of a request's token, and the claims that are checked again later."""

    id: int
    name: str
    role: Role
    driver_id: int | None
    epoch: int
    session_id: int | None  # None for a token from `flask token`
    expires_at: float = math.inf  # when the token expires, in seconds since 1970
    api_key_id: int | None = None  # of a program's key
    api_key_name: str = ""


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
# The URL rule, such as `/loads/<id:load_id>`, without the actual id.
current_route: ContextVar[str | None] = ContextVar("current_route", default=None)
current_user: ContextVar[CurrentUser | None] = ContextVar("current_user", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
# The headers that tell a program how many requests it has left.
rate_limit: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("rate_limit", default=())


def signed_in_user() -> CurrentUser:
    """Return the current user, of a request that needs a token."""
    user = current_user.get()
    assert user is not None, "the guard has set it"  # noqa: S101
    return user


def read_traceparent(text: str | None) -> str | None:
    """Return the W3C `traceparent` from a header, or None if it is not valid."""
    return _written(propagator.extract({"traceparent": text or ""}))


def current_traceparent() -> str | None:
    """Return the `traceparent` of the current span, or else that of the request."""
    return _written(None) or traceparent.get()


def _written(context: Context | None) -> str | None:
    carrier: dict[str, str] = {}
    propagator.inject(carrier, context)
    return carrier.get("traceparent")
