"""Deadlines of requests: a client that is too slow is disconnected.

Only gunicorn's worker sets a deadline. Elsewhere (in tests, in commands) there is none.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gevent import Timeout

UNAUTHORISED_SECONDS = 10
REQUEST_SECONDS = 30
PIECE_SECONDS = 10
COMMIT_SECONDS = 10
"""What is left at least when a transaction begins to commit, for that and for the answer."""


class DeadlineExceeded(TimeoutError):
    """The request took too long. Raised wherever it waits, for a client or a service."""

    def __init__(self) -> None:
        # On EPIPE gunicorn silently closes the connection of a client that does not read.
        super().__init__(errno.EPIPE, "the request took too long")


class _Deadline:
    """The one timer of a request."""

    def __init__(self, seconds: float):
        self.set(seconds)

    def set(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._timer = Timeout.start_new(seconds, DeadlineExceeded)

    def close(self) -> None:
        self._timer.close()

    def seconds_left(self) -> float:
        return self._ends_at - time.monotonic()


_running: ContextVar[_Deadline] = ContextVar("deadline")


@contextmanager
def request_deadline() -> Iterator[None]:
    """Raise `DeadlineExceeded` in the block after `UNAUTHORISED_SECONDS`, unless extended."""
    deadline = _Deadline(UNAUTHORISED_SECONDS)
    token = _running.set(deadline)
    try:
        yield
    finally:
        _running.reset(token)
        deadline.close()


def extend_deadline(seconds: float | None = None) -> None:
    """Set the current request's deadline to `seconds` from now, by default `REQUEST_SECONDS`."""
    if deadline := _running.get(None):
        deadline.close()
        deadline.set(REQUEST_SECONDS if seconds is None else seconds)


def spare_commit() -> None:
    """Leave `COMMIT_SECONDS` at least, so that what is committed is also answered.

    Raises `DeadlineExceeded` if the deadline has passed, also if that could not yet be noticed,
    as after a long calculation: then there is still time to roll back.
    """
    if deadline := _running.get(None):
        left = deadline.seconds_left()
        if left <= 0:
            raise DeadlineExceeded
        if left < COMMIT_SECONDS:
            extend_deadline(COMMIT_SECONDS)
