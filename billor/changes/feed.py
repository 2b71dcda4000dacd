"""One reader for all streams of a process: it looks for changes while streams are open.

No stream holds a thread, a connection or a transaction. For each look the reader takes a
connection. Under gunicorn it is a greenlet, elsewhere a thread.
"""

import logging
import time
from threading import Lock, Thread

from flask import Flask, current_app
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from billor.auth.sessions import Grant, ended_grants
from billor.changes.messages import change_messages, first_message, many_message
from billor.changes.source import (
    Changes,
    Position,
    changes_since,
    current_position,
    read_position,
)
from billor.changes.stream import Stream
from billor.errors import Unavailable
from billor.extensions import db
from billor.metrics import streams_are

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
CHECK_SECONDS = 0.8
"""How often tokens are checked, with one statement for all streams."""
MAX_STREAMS = 500
"""Per process. A change is sent to so many in 50 ms of CPU, for which other requests wait."""


def init_changes(app: Flask) -> None:
    """Give the app its feed."""
    app.extensions["changes"] = Feed(app)


def open_stream(grant: Grant, last_event_id: str | None) -> Stream:
    """Return a stream of what is committed from now on, or after `last_event_id`.

    Raises `Unavailable`, `streams_busy` beyond `MAX_STREAMS` in this process.
    """
    feed: Feed = current_app.extensions["changes"]
    return feed.open(Stream(grant, feed.forget), last_event_id)


class Feed:
    """The open streams, and the position up to which they were told of changes."""

    def __init__(self, app: Flask):
        self._app = app
        self._lock = Lock()
        self._streams: set[Stream] = set()
        self._position: Position | None = None  # until there is a reader
        self._reader: Thread | None = None
        self._checked_at = 0.0
        self._is_closed = False

    def open(self, stream: Stream, last_event_id: str | None) -> Stream:
        """Begin a stream; see `open_stream`."""
        with db.engine.connect() as connection:
            here = current_position(connection)
            self._add(stream, here)
            try:
                # Before what the reader adds meanwhile: nobody takes from the stream yet.
                stream.begin(_beginning(last_event_id, here, connection))
            except BaseException:
                stream.close()
                raise
        if self._is_closed:
            stream.end()
        return stream

    def close(self) -> None:
        """End all streams, and soon those that are opened after."""
        self._is_closed = True
        for stream in self._open_streams():
            stream.end()

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def _add(self, stream: Stream, here: Position) -> None:
        with self._lock:
            if len(self._streams) >= MAX_STREAMS:
                raise Unavailable("streams_busy")
            self._streams.add(stream)
            streams_are(len(self._streams))
            if self._reader is None:
                self._position = here
                self._reader = Thread(target=self._read, name="changes", daemon=True)
                self._reader.start()

    def forget(self, stream: Stream) -> None:
        """Tell a stream no more."""
        with self._lock:
            self._streams.discard(stream)
            streams_are(len(self._streams))

    def _open_streams(self) -> list[Stream]:
        with self._lock:
            return list(self._streams)

    def _read(self) -> None:
        with self._app.app_context():
            while self._is_needed():
                try:
                    with db.engine.connect() as connection:
                        self._end_streams(connection)
                        self._look(connection)
                except SQLAlchemyError as error:  # the requests tell of outages
                    logger.debug("Changes are not looked for: %s", type(error).__name__)
                except Exception:  # streams are told of nothing without a reader
                    logger.exception("A look for changes failed")
                time.sleep(LOOK_SECONDS)

    def _is_needed(self) -> bool:
        with self._lock:
            if not self._streams:
                self._reader = None
            return self._reader is not None

    def _end_streams(self, connection: Connection) -> None:
        """End the streams whose tokens have ended, once in `CHECK_SECONDS`."""
        if time.monotonic() < self._checked_at + CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        streams = self._open_streams()
        ended = ended_grants({stream.grant for stream in streams}, connection)
        for stream in streams:
            if code := ended.get(stream.grant):
                stream.end(code)

    def _look(self, connection: Connection) -> None:
        """Tell all streams of what is new."""
        since = self._position or current_position(connection)
        changes = changes_since(since, connection)
        piece = _told(changes, since)
        with self._lock:
            self._position = changes.position
            streams = list(self._streams) if piece else []
        for stream in streams:
            stream.put(piece, len(changes.rows), changes.position)


def _beginning(last_event_id: str | None, here: Position, connection: Connection) -> bytes:
    """Return what a stream begins with, and what its client has missed."""
    if last_event_id is None:
        return first_message(here, is_resumed=False)
    since = read_position(last_event_id)
    if since is None:
        return first_message(here, is_resumed=True) + many_message(here)
    changes = changes_since(since, connection)
    return first_message(since, is_resumed=True) + _told(changes, since)


def _told(changes: Changes, since: Position) -> bytes:
    if changes.are_many:
        return many_message(changes.position)
    return change_messages(changes, since) if changes.rows else b""
