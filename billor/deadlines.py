"""Deadlines of requests: a client that is too slow is disconnected.

Only gunicorn's worker sets a deadline. Elsewhere (in tests, in commands) there is none.
"""

import errno
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gevent import Greenlet, getcurrent

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


# When the request of each greenlet is overdue.
_overdue_at: dict[Greenlet, float] = {}


@contextmanager
def request_deadline() -> Iterator[None]:
    """Have `DeadlineExceeded` raised in the block after `UNAUTHORISED_SECONDS`, unless extended."""
    greenlet = getcurrent()
    _overdue_at[greenlet] = time.monotonic() + UNAUTHORISED_SECONDS
    try:
        yield
    finally:
        del _overdue_at[greenlet]


def extend_deadline(seconds: float | None = None) -> None:
    """Set the current request's deadline to `seconds` from now, by default `REQUEST_SECONDS`."""
    greenlet = getcurrent()
    if greenlet in _overdue_at:
        seconds = REQUEST_SECONDS if seconds is None else seconds
        _overdue_at[greenlet] = time.monotonic() + seconds


def spare_commit() -> None:
    """Leave `COMMIT_SECONDS` at least, so that what is committed is also answered.

    Raises `DeadlineExceeded` if the deadline has passed, also if that could not yet be noticed,
    as after a long calculation: then there is still time to roll back.
    """
    left = _overdue_at.get(getcurrent(), math.inf) - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded
    if left < COMMIT_SECONDS:
        extend_deadline(COMMIT_SECONDS)


def end_overdue_requests() -> None:
    """Raise `DeadlineExceeded` in the greenlets of overdue requests, once; for the event loop."""
    now = time.monotonic()
    for greenlet in [greenlet for greenlet, at in _overdue_at.items() if at <= now]:
        _overdue_at[greenlet] = math.inf
        greenlet.throw(DeadlineExceeded)
