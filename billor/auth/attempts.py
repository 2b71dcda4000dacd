"""Failed logins from one address: counted in Redis, or in this process while Redis is away."""

import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from billor.cache import RedisAway, redis_backend
from billor.errors import AuthenticationFailed, TooManyAttempts

MAX_FAILURES = 20
WINDOW_SECONDS = 60
_MAX_LOCAL_ADDRESSES = 10_000


class _LocalCounter:
    """Counts per address for a window; the oldest address is forgotten first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def add(self, address: str, amount: int) -> tuple[int, float]:
        now = time.monotonic()
        with self._lock:
            ends, count = self._windows.get(address, (0.0, 0))
            if ends <= now:
                self._windows.pop(address, None)
                ends, count = now + WINDOW_SECONDS, 0
            self._windows[address] = ends, count + amount
            if len(self._windows) > _MAX_LOCAL_ADDRESSES:
                self._windows.popitem(last=False)
            return count + amount, ends - now


_local = _LocalCounter()


@contextmanager
def counted_attempt(address: str) -> Iterator[None]:
    """Count the login in this block as failed if it ends in `AuthenticationFailed`.

    It counts from the start, before a password is looked at, so that many at once cannot slip
    through, and is taken back at any other end. Raises `TooManyAttempts` past the limit.
    """
    failures, remaining = _add(address, 1)
    if failures > MAX_FAILURES:
        retry_after = max(1, math.ceil(remaining))
        raise TooManyAttempts(
            "too_many_attempts",
            f"Too many failed logins from your address. Try again in {retry_after} seconds.",
            retry_after,
        )
    try:
        yield
    except AuthenticationFailed:
        raise
    except BaseException:
        _add(address, -1)
        raise
    _add(address, -1)


def _add(address: str, amount: int) -> tuple[int, float]:
    """Returns the address's failures in its window, and the seconds until the window ends."""
    try:
        with redis_backend() as redis, redis.client.pipeline() as pipeline:
            key = f"billor:login-failures:{address}"
            pipeline.set(key, 0, ex=WINDOW_SECONDS, nx=True)
            pipeline.incrby(key, amount)
            pipeline.ttl(key)
            _, failures, remaining = pipeline.execute()
            return failures, remaining
    except RedisAway:
        return _local.add(address, amount)
