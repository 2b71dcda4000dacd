"""One client's stream: what is to be sent to it, and when it ends."""

import random
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock

from billor.auth.sessions import Grant
from billor.changes.messages import HEARTBEAT, end_message, many_message
from billor.changes.source import Position

HEARTBEAT_SECONDS = 15
STREAM_SECONDS = 240
"""Before proxies end it: many do after five minutes."""
SPREAD = 0.1
"""The share of it by which streams differ, so that not all clients come back at once."""
MOST_WAITING = 200
"""Changes that wait for a slow client; it gets `many` instead of more."""


class Stream(Iterator[bytes]):
    """The pieces of a response. Other threads add to them; iterating waits for what comes next."""

    def __init__(self, grant: Grant, on_close: Callable[["Stream"], None]):
        self.grant = grant
        self._on_close = on_close
        lasts = STREAM_SECONDS * (1 - SPREAD * random.random())  # noqa: S311 - no secret
        self._ends_at = time.monotonic() + lasts
        self._lock = Lock()
        self._wake = Event()
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._is_over = False

    def begin(self, piece: bytes) -> None:
        """Send a piece before all that waits."""
        with self._lock:
            self._pieces.insert(0, piece)
        self._wake.set()

    def put(self, piece: bytes, changes: int, position: Position) -> None:
        """Send a piece with so many changes; if too many wait, tell of `many` up to `position`."""
        with self._lock:
            if self._is_over:
                return
            self._waiting += changes
            if self._waiting > MOST_WAITING:
                self._pieces = [many_message(position)]
            else:
                self._pieces.append(piece)
        self._wake.set()

    def end(self, code: str | None = None) -> None:
        """End it: at once with the `code` of a refusal, else after what waits to be sent."""
        with self._lock:
            if not self._is_over and code is not None:
                self._pieces = [end_message(code)]
            self._is_over = True
        self._wake.set()

    def __next__(self) -> bytes:
        self._wake.wait(self._seconds_to_wait())
        if self.grant.expires_at <= time.time():
            self.end("token_expired")
        elif self._ends_at <= time.monotonic():
            self.end()
        with self._lock:
            piece, is_over = b"".join(self._pieces), self._is_over
            self._pieces, self._waiting = [], 0
            if not is_over:
                self._wake.clear()
        if not piece and is_over:
            raise StopIteration
        return piece or HEARTBEAT

    def close(self) -> None:
        """End and forget it; the server does so when the response has ended, however it did."""
        self.end()
        self._on_close(self)

    def _seconds_to_wait(self) -> float:
        expires_in = self.grant.expires_at - time.time()
        return max(0, min(HEARTBEAT_SECONDS, self._ends_at - time.monotonic(), expires_in))
