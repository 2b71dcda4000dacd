"""One reader per process, which sends committed changes to all open streams.

A stream holds no thread, connection or transaction. The reader takes a connection for each query.
Under gunicorn it is a greenlet, elsewhere a thread.
"""

import json
import logging
import random
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from threading import Condition, Thread

from flask import Flask
from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from billor.auth.sessions import ended_tokens
from billor.changes.source import changes_since, current_position
from billor.errors import Unavailable
from billor.events.event import to_message
from billor.observe.context import CurrentUser
from billor.observe.metrics import STREAMS

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
CHECK_SECONDS = 0.8  # how often all streams' tokens are checked, in one statement
# Per process. Sending a change to all of them takes 50 ms of CPU, while other requests wait.
MAX_STREAMS = 500
MAX_STREAMS_OF_USER = 20  # per process, too
MAX_BATCHES = 50  # clients that are further behind get `many`
HEARTBEAT_SECONDS = 5
HEARTBEAT = b":\n\n"
STALE_SECONDS = 4
RETRY = b"retry: 1000\n\n"
# Many proxies end a connection after five minutes. The jitter spreads the clients' reconnects.
STREAM_SECONDS = 240
JITTER = 0.1


@dataclass
class Batch:
    messages: bytes
    driver_ids: Collection[int] | None  # whom it concerns; None if they are too many to know


@dataclass(eq=False)
class Stream:
    user: CurrentUser
    sent: int  # the number of the last batch that was sent
    is_live: bool = True  # whether the client believes so
    end_code: str | None = None  # why its token is no longer valid


class Feed:
    def __init__(self, app: Flask, engine: Engine):
        self._app = app
        self._engine = engine
        self._is_closed = False
        self._changed = Condition()
        self._streams: set[Stream] = set()
        self._batches: deque[Batch] = deque(maxlen=MAX_BATCHES)
        self._number = 0
        """Of the last batch."""
        self._position = ""
        self._reader: Thread | None = None
        self._checked_at = 0.0
        self._looked_at = 0.0
        """When the database last answered."""

    def open(self, user: CurrentUser, last_event_id: str | None) -> tuple[Stream, Iterator[bytes]]:
        """Return a stream of what is committed from now on, or after `last_event_id`.

        That of a driver says only that something of theirs has changed. The caller ends it.
        """
        stream = Stream(user, self._number)  # before the position, so that it misses nothing
        with self._engine.connect() as connection:
            here = current_position(connection)
            first = _first_messages(last_event_id, here, connection)
        with self._changed:
            if len(self._streams) >= MAX_STREAMS:
                raise Unavailable("streams_busy")
            of_user = sum(each.user.id == user.id for each in self._streams)
            if of_user >= MAX_STREAMS_OF_USER:
                raise Unavailable("streams_busy", f"You have {of_user} open streams. Close one.")
            self._streams.add(stream)
            STREAMS.set(len(self._streams))
            if self._reader is None:
                self._position, self._looked_at = here, time.monotonic()
                self._reader = Thread(target=self._read, name="changes", daemon=True)
                self._reader.start()
        return stream, self._messages(stream, first)

    def _messages(self, stream: Stream, first: bytes) -> Iterator[bytes]:
        yield first
        lifetime = STREAM_SECONDS * (1 - JITTER * random.random())  # noqa: S311 - no secret
        ends_at = time.monotonic() + lifetime
        is_over = False
        while not is_over:
            expires_in = stream.user.expires_at - time.time()
            seconds = min(HEARTBEAT_SECONDS, expires_in, ends_at - time.monotonic())
            messages = self._wait(stream, max(0.0, seconds))
            if stream.user.expires_at <= time.time():
                stream.end_code = "token_expired"
            if stream.end_code:
                yield _message("end", json.dumps({"code": stream.end_code}))
                return
            is_over = self._has_ended(stream) or ends_at <= time.monotonic()
            if messages or (stream.is_live and not is_over):
                yield messages or HEARTBEAT

    def _wait(self, stream: Stream, seconds: float) -> bytes:
        """Wait until there is something to send or the stream must end; return what to send."""
        until = time.monotonic() + seconds
        with self._changed:
            while (
                not (messages := self._unsent(stream))
                and not (self._has_ended(stream) or stream.end_code)
                and self._is_live() == stream.is_live
                and (left := until - time.monotonic()) > 0
            ):
                stale_in = self._looked_at + STALE_SECONDS - time.monotonic()
                self._changed.wait(min(left, stale_in) if stream.is_live else left)
            state = b""
            if stream.is_live != self._is_live():
                stream.is_live = not stream.is_live
                state = _message("live" if stream.is_live else "stale", "{}")
            stream.sent = self._number
            return state + messages

    def _unsent(self, stream: Stream) -> bytes:
        """Return the messages of the batches that have come since the last one sent."""
        missing, driver_id = self._number - stream.sent, stream.user.driver_id
        if missing > len(self._batches):
            return _message("many", "{}", self._position)
        batches = list(self._batches)[len(self._batches) - missing :]
        if driver_id is None:
            return b"".join(batch.messages for batch in batches)
        told = (batch.driver_ids is None or driver_id in batch.driver_ids for batch in batches)
        return _message("many", "{}") if any(told) else b""  # payloads are for the staff

    def _is_live(self) -> bool:
        """Return whether the last look at the database succeeded, not long ago."""
        return time.monotonic() < self._looked_at + STALE_SECONDS

    def _has_ended(self, stream: Stream) -> bool:
        return self._is_closed or stream not in self._streams

    def end(self, stream: Stream) -> None:
        """End a stream, or remove one that has ended."""
        with self._changed:
            self._streams.discard(stream)
            STREAMS.set(len(self._streams))
            self._changed.notify_all()

    def close(self) -> None:
        """End all streams, also those that are opened later: the server is shutting down."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _read(self) -> None:
        with self._app.app_context():
            while self._is_needed():
                try:
                    with self._engine.connect() as connection:
                        self._check_tokens(connection)
                        self._poll(connection)
                except SQLAlchemyError as error:  # requests report outages
                    logger.debug("Could not read changes: %s", type(error).__name__)
                    self._tell_stale()
                except Exception:  # without a reader, streams would stay silent
                    logger.exception("Reading changes failed")
                    self._tell_stale()
                time.sleep(POLL_SECONDS)

    def _is_needed(self) -> bool:
        with self._changed:
            if not self._streams:
                self._reader = None
            return self._reader is not None

    def _check_tokens(self, connection: Connection) -> None:
        """End the streams whose tokens are no longer valid, at most once in `CHECK_SECONDS`."""
        if time.monotonic() < self._checked_at + CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        streams = list(self._streams)
        ended = ended_tokens({stream.user for stream in streams}, connection)
        with self._changed:
            for stream in streams:
                stream.end_code = "token_invalid" if stream.user in ended else None
            if ended:
                self._changed.notify_all()

    def _poll(self, connection: Connection) -> None:
        since = self._position
        here, events = changes_since(since, connection)
        with self._changed:
            self._position = here
            messages = _changes(since, here, events)
            if messages:
                driver_ids = None if events is None else {event.driver_id for event in events}
                self._batches.append(Batch(messages, driver_ids))
                self._number += 1
            was_live, self._looked_at = self._is_live(), time.monotonic()
            if messages or not was_live:
                self._changed.notify_all()

    def _tell_stale(self) -> None:
        with self._changed:
            self._looked_at = -inf
            self._changed.notify_all()


def _first_messages(last_event_id: str | None, here: str, connection: Connection) -> bytes:
    """Return `ready`, and the changes since `last_event_id`."""
    if last_event_id is None:
        return RETRY + _message("ready", '{"resumed": false}', here)
    now, events = changes_since(last_event_id, connection)
    position = None if events is None else last_event_id
    ready = RETRY + _message("ready", '{"resumed": true}', position)
    return ready + _changes(last_event_id, now, events)


def _changes(since: str, here: str, events: Sequence[Row] | None) -> bytes:
    """Return the messages for the events between two positions.

    Only the last one has the new position: a client that got some of them gets all of them again.
    """
    if events is None:
        return _message("many", "{}", here)
    positions = [since] * (len(events) - 1) + [here]
    return b"".join(
        _message("change", to_message(event).data.decode(), position)
        for event, position in zip(events, positions, strict=False)
    )


def _message(name: str, data: str, position: str | None = None) -> bytes:
    id_ = f"id: {position}\n" if position else ""
    return f"{id_}event: {name}\ndata: {data}\n\n".encode()
