"""What belongs to the work in hand, wherever in the code it is looked at from."""

from contextvars import ContextVar
from typing import NamedTuple


class Actor(NamedTuple):
    """A user in whose name something is done."""

    id: int
    name: str


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the HTTP request being served; None outside of one."""
actor: ContextVar[Actor | None] = ContextVar("actor", default=None)
"""Whose token came with it; None outside of one, and where no token is asked for."""
