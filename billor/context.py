"""What belongs to the work in hand, wherever in the code it is looked at from."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the HTTP request being served; None outside of one."""
