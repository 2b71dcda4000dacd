"""How long a request may keep a thread: while it is awaited, read, and answered."""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

REQUEST_SECONDS = 30

_deadlines: dict[socket.socket, float] = {}


def begin(connection: socket.socket) -> None:
    """A request is awaited on this connection from now on."""
    _deadlines[connection] = time.monotonic() + REQUEST_SECONDS


def end(connection: socket.socket) -> None:
    """It is answered."""
    _deadlines.pop(connection, None)


def extended_with_each(pieces: Iterable[str], environ: Mapping[str, Any]) -> Iterator[str]:
    """The pieces of a long answer, each giving the request with this WSGI environment as long again
    as it had: its client has taken the one before."""
    for piece in pieces:
        connection = environ.get("gunicorn.socket")
        if connection in _deadlines:
            begin(connection)
        yield piece


def overdue() -> list[socket.socket]:
    """The connections whose requests take too long."""
    now = time.monotonic()
    return [connection for connection, deadline in _deadlines.copy().items() if deadline < now]
