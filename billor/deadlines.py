"""Deadlines of requests: a client that is too slow is disconnected.

Only gunicorn's worker sets a deadline. Elsewhere (in tests, in commands) there is none.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gevent import Timeout

UNAUTHORISED_SECONDS = 10
REQUEST_SECONDS = 30
PIECE_SECONDS = 10


class DeadlineExceeded(TimeoutError):
    """The request took too long. Raised wherever it waits, for a client or a service."""

    def __init__(self) -> None:
        # On EPIPE gunicorn silently closes the connection of a client that does not read.
        super().__init__(errno.EPIPE, "the request took too long")


# The one timer of the current request.
_running: ContextVar[list[Timeout]] = ContextVar("deadline")


@contextmanager
def request_deadline() -> Iterator[None]:
    """Raise `DeadlineExceeded` in the block after `UNAUTHORISED_SECONDS`, unless extended."""
    timer = [_start(UNAUTHORISED_SECONDS)]
    token = _running.set(timer)
    try:
        yield
    finally:
        _running.reset(token)
        timer[0].close()


def extend_deadline(seconds: float | None = None) -> None:
    """Set the current request's deadline to `seconds` from now, by default `REQUEST_SECONDS`."""
    if timer := _running.get(None):
        timer[0].close()
        timer[0] = _start(REQUEST_SECONDS if seconds is None else seconds)


def _start(seconds: float) -> Timeout:
    return Timeout.start_new(seconds, DeadlineExceeded)
