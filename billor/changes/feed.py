"""One reader for all streams of a process: it looks for changes while streams are open.

No stream holds a thread, a connection or a transaction. For each look the reader takes a
connection. Under gunicorn it is a greenlet, elsewhere a thread.
"""

import json
import logging
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Row
from sqlalchemy.exc import SQLAlchemyError

from billor.api.fields import wire_time
from billor.auth.sessions import Grant, ended_grants
from billor.changes.source import (
    changes_since,
    current_snapshot,
    read_position,
    sign_position,
)
from billor.errors import Unavailable
from billor.models import db
from billor.observe.metrics import STREAMS

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
# How often tokens are checked, with one statement for all streams.
CHECK_SECONDS = 0.8
# Per process. A change is sent to so many in 50 ms of CPU, for which other requests wait.
MAX_STREAMS = 500
# A client that is further behind gets `many`.
MAX_PIECES = 50
HEARTBEAT_SECONDS = 15
HEARTBEAT = b":\n\n"
# How soon a client comes back, in milliseconds.
RETRY = b"retry: 1000\n\n"
# Before proxies end it: many do after five minutes. Streams differ by a tenth, so that not all
# clients come back at once.
STREAM_SECONDS = 240
SPREAD = 0.1


@dataclass(eq=False)
class Stream:
    """One client's stream."""

    grant: Grant
    sent: int
    """The number of the last piece of the feed that was sent."""
    end_code: str | None = None
    """Why it ends before its time."""


class Feed:
    """The open streams, and the last pieces that are sent to all of them."""

    def __init__(self, app: Flask):
        self._is_closed = False
        self._app = app
        self._changed = Condition()
        self._streams: set[Stream] = set()
        self._pieces: deque[bytes] = deque(maxlen=MAX_PIECES)
        self._instead = b""
        """For clients that are further behind than the pieces go."""
        self._number = 0
        """Of the last piece."""
        self._position = ""
        self._reader: Thread | None = None
        self._checked_at = 0.0

    def open(self, grant: Grant, last_event_id: str | None) -> tuple[Stream, Iterator[bytes]]:
        """Return a stream of what is committed from now on, or after `last_event_id`.

        The caller forgets it at its end. Raises `Unavailable`, `streams_busy` beyond `MAX_STREAMS`
        in this process.
        """
        stream = Stream(grant, self._number)  # before the position, so that it misses nothing
        with db.engine.connect() as connection:
            here = current_snapshot(connection)
            first = _beginning(last_event_id, here, connection)
        with self._changed:
            if len(self._streams) >= MAX_STREAMS:
                raise Unavailable("streams_busy")
            self._streams.add(stream)
            STREAMS.set(len(self._streams))
            if self._reader is None:
                self._position = here
                self._reader = Thread(target=self._read, name="changes", daemon=True)
                self._reader.start()
        return stream, self._pieces_of(stream, first)

    def _pieces_of(self, stream: Stream, first: bytes) -> Iterator[bytes]:
        yield first
        lasts = STREAM_SECONDS * (1 - SPREAD * random.random())  # noqa: S311 - no secret
        ends_at = time.monotonic() + lasts
        is_over = False
        while not is_over:
            expires_in = stream.grant.expires_at - time.time()
            seconds = min(HEARTBEAT_SECONDS, expires_in, ends_at - time.monotonic())
            piece = self._wait(stream, max(0.0, seconds))
            if stream.grant.expires_at <= time.time():
                stream.end_code = "token_expired"
            if stream.end_code:
                yield _message("end", {"code": stream.end_code})
                return
            is_over = self._is_closed or ends_at <= time.monotonic()
            if piece or not is_over:
                yield piece or HEARTBEAT

    def _wait(self, stream: Stream, seconds: float) -> bytes:
        """Return what a stream has yet to send, as soon as there is something or it has to end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or stream.end_code or self._number > stream.sent, seconds
            )
            missing, stream.sent = self._number - stream.sent, self._number
            if missing > len(self._pieces):
                return self._instead
            return b"".join(list(self._pieces)[len(self._pieces) - missing :])

    def forget(self, stream: Stream) -> None:
        """Send no more to a stream."""
        with self._changed:
            self._streams.discard(stream)
            STREAMS.set(len(self._streams))

    def close(self) -> None:
        """End all streams, and those that are opened after: the server stops."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def _read(self) -> None:
        with self._app.app_context():
            while self._is_needed():
                try:
                    with db.engine.connect() as connection:
                        self._end_streams(connection)
                        self._look(connection)
                except SQLAlchemyError as error:  # requests report outages
                    logger.debug("No look for changes: %s", type(error).__name__)
                except Exception:  # without a reader, streams would stay silent
                    logger.exception("A look for changes failed")
                time.sleep(LOOK_SECONDS)

    def _is_needed(self) -> bool:
        with self._changed:
            if not self._streams:
                self._reader = None
            return self._reader is not None

    def _end_streams(self, connection: Connection) -> None:
        """End the streams whose tokens have ended, once in `CHECK_SECONDS`."""
        if time.monotonic() < self._checked_at + CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        streams = list(self._streams)
        ended = ended_grants({stream.grant for stream in streams}, connection)
        with self._changed:
            for stream in streams:
                stream.end_code = ended.get(stream.grant)
            if ended:
                self._changed.notify_all()

    def _look(self, connection: Connection) -> None:
        """Add a piece for all streams if there is something new."""
        since = self._position
        here, events = changes_since(since, connection)
        is_new = events is None or len(events) > 0
        with self._changed:
            self._position = here
            if is_new:
                self._pieces.append(_changes(sign_position(since), sign_position(here), events))
                self._instead = _many(sign_position(here))
                self._number += 1
                self._changed.notify_all()


def _beginning(last_event_id: str | None, here: str, connection: Connection) -> bytes:
    """Return what a stream begins with, and what its client has missed."""
    if last_event_id is None:
        return RETRY + _message("ready", {"resumed": False}, sign_position(here))
    since = read_position(last_event_id)
    if since is None:
        here = sign_position(here)
        return RETRY + _message("ready", {"resumed": True}, here) + _many(here)
    now, missed = changes_since(since, connection)
    ready = RETRY + _message("ready", {"resumed": True}, last_event_id)
    return ready + _changes(last_event_id, sign_position(now), missed)


def _changes(since: str, here: str, events: Sequence[Row] | None) -> bytes:
    """Return the messages of what happened between two positions.

    Only the last carries the new position: whoever gets a part gets all of them again.
    """
    if events is None:
        return _many(here)
    positions = [since] * (len(events) - 1) + [here]
    return b"".join(
        _message("change", _body(event), position)
        for event, position in zip(events, positions, strict=False)
    )


def _many(here: str) -> bytes:
    return _message("many", {}, here)


def _message(name: str, data: Any, position: str | None = None) -> bytes:
    id_ = f"id: {position}\n" if position else ""
    return f"{id_}event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _body(event: Row) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "type": event.type,
        "driverId": event.driver_id,
        "loadId": event.load_id,
        "assignmentId": event.assignment_id,
        "payload": event.payload,
        "timestamp": wire_time(event.created_at),
    }
