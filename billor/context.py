"""The request id, the route, the trace and the current user, as context variables."""

from contextvars import ContextVar
from typing import NamedTuple

from billor.roles import Role


class CurrentUser(NamedTuple):
    """The user whose token a request carries, and what the token must agree with."""

    id: int
    name: str
    role: Role
    driver_id: int | None
    """The driver that a user of role DRIVER is."""
    epoch: int
    session_id: int | None
    """None for a token made by `flask token`."""

    @property
    def reference(self) -> dict[str, int | str]:
        """Who did it, as events tell."""
        return {"id": self.id, "name": self.name}


# All are None outside a request; so is the current user where no token is needed, and the route
# where no rule matches. The route is the rule of the URL, as `/loads/<id:load_id>`: no id is in it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
current_route: ContextVar[str | None] = ContextVar("current_route", default=None)
current_user: ContextVar[CurrentUser | None] = ContextVar("current_user", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""What is done now as part of a trace, as `billor.traces.parent` writes it; None without one."""


def signed_in_user() -> CurrentUser:
    """Return the current user of a request that needs a token."""
    user = current_user.get()
    assert user is not None, "the guard has set it"  # noqa: S101
    return user
