"""The request id and the current user, as context variables."""

from contextvars import ContextVar
from typing import NamedTuple


class CurrentUser(NamedTuple):
    """The user whose token a request carries."""

    id: int
    name: str


# Both are None outside a request; so is the current user where no token is needed.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
current_user: ContextVar[CurrentUser | None] = ContextVar("current_user", default=None)
