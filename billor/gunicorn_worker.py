"""gunicorn's threaded worker, with what a server in the open needs besides."""

import select
import socket
import time
import uuid
from contextlib import suppress

from gunicorn import util
from gunicorn.http.errors import InvalidHeader, InvalidHeaderName, InvalidRequestLine
from gunicorn.workers.gthread import ThreadWorker

from billor.middleware import SECURITY_HEADERS
from billor.problems import http_problem

QUOTING = (InvalidHeader, InvalidHeaderName, InvalidRequestLine)
REQUEST_SECONDS = 30
"""How long a request may take from its first byte to the last of its answer."""


class BillorWorker(ThreadWorker):
    """Cuts off clients that are too slow, so that they cannot hold all threads; and when told to
    stop, still serves who is waiting to be accepted."""

    def init_process(self) -> None:
        self._deadlines: dict[object, float] = {}
        super().init_process()

    def handle(self, conn):
        self._deadlines[conn] = time.monotonic() + REQUEST_SECONDS
        try:
            return super().handle(conn)
        finally:
            del self._deadlines[conn]

    def handle_error(self, req, client, addr, exc):
        # Its line of the log would quote a header that is not one, and that may be a token.
        if isinstance(exc, QUOTING):
            exc = type(exc)("not shown")
        super().handle_error(req, client, addr, exc)

    def notify(self) -> None:
        """Called about once a second."""
        super().notify()
        now = time.monotonic()
        for conn, deadline in self._deadlines.copy().items():
            if deadline < now:
                with suppress(OSError):  # it is closed already
                    conn.sock.shutdown(socket.SHUT_RDWR)

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


util.write_error = _write_problem  # gunicorn has no setting for it
