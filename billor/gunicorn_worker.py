"""gunicorn's threaded worker, with what a server in the open needs besides."""

import select
import socket
import time
import uuid
from contextlib import suppress

from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from billor import deadlines
from billor.middleware import SECURITY_HEADERS
from billor.problems import http_problem

LINGER_SECONDS = 1
"""How long a client may take to close its side once it was answered."""


class BillorWorker(ThreadWorker):
    """Cuts off clients that are too slow, so that none holds a thread for ever; and when told to
    stop, still serves who is waiting to be accepted."""

    def handle(self, conn):
        deadlines.begin(conn.sock)
        try:
            keeps_open = super().handle(conn)
        finally:
            deadlines.end(conn.sock)
        if keeps_open is False:
            _linger(conn.sock)
        return keeps_open

    def _keepalive_after(self, conn, keepalive: bool) -> bool:
        # What comes after an answer and is no request ends the connection; there is no second
        # answer to the first request.
        with suppress(ParseException):
            return super()._keepalive_after(conn, keepalive)
        return False

    def handle_error(self, req, client, addr, exc) -> None:
        if isinstance(exc, ParseException):
            _unquote(exc)
        super().handle_error(req, client, addr, exc)

    def notify(self) -> None:
        """Called about once a second."""
        super().notify()
        for connection in deadlines.overdue():
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            self._accept_the_last()

    def _accept_the_last(self) -> None:
        """The kernel resets connections that nobody has accepted when their socket is closed."""
        for listener in self.sockets:
            while select.select([listener], [], [], 0)[0]:
                self.accept(listener)
            listener.close()


def _linger(sock: socket.socket) -> None:
    """Give the client time to read its answer and to leave, as `close_graceful` does, but not in
    the thread that serves all others."""
    deadline = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):  # it has left
        sock.shutdown(socket.SHUT_WR)
        while (remaining := deadline - time.monotonic()) > 0:
            sock.settimeout(remaining)
            if not sock.recv(4096):
                return


def _unquote(error: ParseException) -> None:
    """Leave of a parser's error only its name, since what it quotes may be a token or a
    password."""
    kind = type(error)
    error.__class__ = type(kind.__name__, (kind,), {"__str__": lambda _: kind.__name__})


def _write_problem(sock: socket.socket, status: int, _reason: str, _message: str) -> None:
    """Answer what gunicorn itself refuses, and the app never sees, as the app answers errors."""
    problem = http_problem(status)
    headers = {
        **dict(problem.headers),
        **SECURITY_HEADERS,
        "X-Request-ID": str(uuid.uuid4()),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    util.write_nonblock(sock, f"HTTP/1.1 {problem.status}\r\n{head}\r\n".encode() + problem.data)


# gunicorn has no settings for these.
util.write_error = _write_problem
util.close_graceful = util.close  # after `_linger`
