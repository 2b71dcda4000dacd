"""What a request is about, as context variables: None outside of one, and where it is not known."""

import math
from contextvars import ContextVar
from typing import NamedTuple

from billor.models import Role


class CurrentUser(NamedTuple):
    """The user whose token a request carries, and what the token must agree with."""

    id: int
    name: str
    role: Role
    driver_id: int | None
    epoch: int
    session_id: int | None
    """None for a token made by `flask token`."""
    expires_at: float = math.inf
    """When the token ends, in seconds since 1970."""

    @property
    def reference(self) -> dict[str, int | str]:
        """Who did it, as part of an event."""
        return {"id": self.id, "name": self.name}


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
# The rule of the URL, as `/loads/<id:load_id>`: no id is in it.
current_route: ContextVar[str | None] = ContextVar("current_route", default=None)
current_user: ContextVar[CurrentUser | None] = ContextVar("current_user", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def signed_in_user() -> CurrentUser:
    """Return the current user of a request that needs a token."""
    user = current_user.get()
    assert user is not None, "the guard has set it"  # noqa: S101
    return user
