"""gunicorn's gevent worker, with deadlines, clean stops and our shape of errors.

A connection costs a greenlet and no thread, so that idle and slow clients keep nobody waiting.
"""

import gc
import logging
import mmap
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from itertools import count

import gevent
import psycopg2
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import wait_read, wait_write
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.ggevent import GeventWorker
from psycopg2 import extensions
from uuid_utils import uuid4

from billor import metrics
from billor.blocking import has_data
from billor.database import CONNECT_SECONDS
from billor.deadlines import DeadlineExceeded, end_overdue_requests, request_deadline
from billor.http.middleware import SECURITY_HEADERS
from billor.http.problems import http_problem
from billor.stopping import close_all
from billor.traces.spans import tracer

logger = logging.getLogger(__name__)

# How long a client may take to close its side once it was answered.
LINGER_SECONDS = 1
# How long idle connections are kept at a stop, for requests that are on their way.
FAREWELL_SECONDS = 1
# A process leaves a new connection for so long to those that have clearly fewer, which may have to
# wake up. Less than that would delay clients for nothing where thousands are connected.
YIELD_SECONDS = 0.01
CLEARLY_FEWER = 0.8
# Before a request that has come together with the one before. Not 0, which would let the event loop
# go on without looking whether others have something to read.
PAUSE_SECONDS = 1e-6
# How often to look for requests that are overdue and for connections that are idle for too long.
# One look at all is cheaper than a timer for each.
POLL_SECONDS = 0.5
DRAIN_BYTES = 64 * 1024
STATUSES: dict[type[ParseException], int] = {
    LimitRequestLine: 414,
    ExpectationFailed: 417,
    LimitRequestHeaders: 431,
    UnsupportedTransferCoding: 501,
}
# One more than the connections of each process, or 0. The master makes it before it forks, so all
# processes share it.
_connections = memoryview(mmap.mmap(-1, 1024)).cast("i")
# The numbers of the living processes, for the master.
_numbers: set[int] = set()


def forget_process(number: int) -> None:
    """Note that the process of this number has ended; called by the master."""
    _connections[number] = 0
    metrics.forget_process(number)
    _numbers.discard(number)


class BillorWorker(GeventWorker):
    """Serves each connection in a greenlet of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # The master is here before each fork. A successor takes over the number.
        self.number = next(number for number in count() if number not in _numbers)
        _numbers.add(self.number)
        self._clients: dict[gevent.Greenlet, socket.socket] = {}
        self._idle_since: dict[gevent.Greenlet, float] = {}

    def init_process(self) -> None:
        metrics.use_process_number(self.number)
        extensions.set_wait_callback(_wait_for_postgresql)
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop, then for as long as requests are in hand.

        In place of gunicorn's own, which resets the connections that wait to be accepted at a stop.
        """
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it would take 100 ms at a time
        pool = Pool(self.worker_connections)
        servers = [
            _Server(
                listener,
                partial(self.handle, _Address(listener)),
                spawn=pool,
                others_have_fewer=self._others_have_fewer_connections,
            )
            for listener in self.sockets
        ]
        self._count_connections()
        for server in servers:
            server.start()
        while self.alive:
            self._look_after_connections(self.cfg.keepalive)
            metrics.measure()
            gevent.sleep(POLL_SECONDS)
        self._count_connections()
        for server in servers:
            server.accept_rest()
            server.close()
        close_all()
        self._finish(pool)
        metrics.measure()
        tracer().stop()

    def _finish(self, pool: Pool) -> None:
        """Let requests in hand end, in time."""
        stopped_at = time.monotonic()
        while time.monotonic() < stopped_at + self.cfg.graceful_timeout:
            if pool.join(POLL_SECONDS):
                return
            farewell = time.monotonic() >= stopped_at + FAREWELL_SECONDS
            self._look_after_connections(0 if farewell else self.cfg.keepalive)
        pool.kill(timeout=POLL_SECONDS)

    def handle(self, listener, client, addr) -> None:
        greenlet = gevent.getcurrent()
        self._clients[greenlet] = client
        self._count_connections()
        try:
            super().handle(listener, client, addr)
        finally:
            del self._clients[greenlet]
            self._count_connections()

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Around waiting for the next request of a connection."""
        greenlet = gevent.getcurrent()
        self._idle_since[greenlet] = time.monotonic()
        try:
            yield
        finally:
            del self._idle_since[greenlet]

    def handle_request(self, listener_name, req, sock, addr) -> None:
        response = _HeadWithBody(sock)
        try:
            with request_deadline():
                try:
                    super().handle_request(listener_name, req, response, addr)
                finally:
                    response.flush()
            _drain(req)
        except StopIteration:  # the connection is closed next
            _linger(sock)
            raise
        # Let others go first: a client whose next request is there already must not keep them
        # waiting.
        with self.timeout_ctx():
            if req.unreader.buf.getvalue():
                gevent.sleep(PAUSE_SECONDS)
            else:
                wait_read(sock.fileno())

    def handle_error(self, req, client, addr, exc) -> None:
        """Answer what gunicorn refuses, and the app never sees, as the app answers errors."""
        if isinstance(exc, ParseException):
            # Only the name: what the error quotes may be a token or a password.
            logger.warning("Invalid request: %s", type(exc).__name__)
        else:
            logger.error("A request failed", exc_info=exc)
        status = STATUSES.get(type(exc), 400) if isinstance(exc, ParseException) else 500
        with suppress(OSError):  # it has left
            client.sendall(_problem_response(status))
            _linger(client)

    def _count_connections(self) -> None:
        _connections[self.number] = len(self._clients) + 1 if self.alive else 0

    def _others_have_fewer_connections(self) -> bool:
        clearly_fewer = CLEARLY_FEWER * len(self._clients)
        return any(count and count - 1 < clearly_fewer for count in _connections)

    def _look_after_connections(self, keepalive: float) -> None:
        """Tell the master that we live, and end what lasts too long.

        The event loop does that at once: a greenlet that is to be ended later may have begun with
        another request by then.
        """
        self.notify()
        loop = gevent.get_hub().loop
        loop.run_callback(end_overdue_requests)
        loop.run_callback(self._end_idle_connections, keepalive)

    def _end_idle_connections(self, seconds: float) -> None:
        longest = time.monotonic() - seconds
        for greenlet, since in list(self._idle_since.items()):
            if since <= longest and not has_data(self._clients[greenlet].fileno()):
                greenlet.throw(NoMoreData)


class _Server(StreamServer):
    """Accepts connections in turn with the other processes, which wait at the same socket.

    Without turns the process that is awake already takes most of them.
    """

    max_accept = 1

    def __init__(self, *args, others_have_fewer: Callable[[], bool], **kwargs):
        super().__init__(*args, **kwargs)
        self._others_have_fewer = others_have_fewer
        self._has_yielded = False

    def do_read(self):
        if not self._has_yielded and self._others_have_fewer():
            self.stop_accepting()
            self._has_yielded = True  # they may be busy: next time it is ours
            gevent.spawn_later(YIELD_SECONDS, self._accept_again)
            return None
        self._has_yielded = False
        return super().do_read()

    def _accept_again(self) -> None:
        if self.started:
            self.start_accepting()

    def accept_rest(self) -> None:
        """Accept the connections that wait, and no more after that."""
        self.stop_accepting()
        while (waiting := super().do_read()) is not None:
            self.do_handle(*waiting)


class _HeadWithBody:
    """A socket that sends a response's head with the first part of its body, in one system call."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._head: bytes | None = b""

    def sendall(self, data: bytes) -> None:
        """Keep the first piece, which is the head, until there is another."""
        if self._head == b"":
            self._head = data
        else:
            self.flush(data)

    def flush(self, data: bytes = b"") -> None:
        """Send what was kept, and more."""
        unsent, self._head = (self._head or b"") + data, None
        if unsent:
            self._sock.sendall(unsent)

    def sendfile(self, *args, **kwargs) -> int:
        """Send a file after the head."""
        self.flush()
        return self._sock.sendfile(*args, **kwargs)

    def shutdown(self, how: int) -> None:
        """End the connection without what was kept: the body could not be made."""
        self._head = None
        self._sock.shutdown(how)

    def __getattr__(self, name: str):
        return getattr(self._sock, name)


class _Address:
    """What gunicorn wants to know of a listener, which may be closed by then."""

    def __init__(self, listener: socket.socket):
        self._name = listener.getsockname()

    def getsockname(self):
        return self._name


def _wait_for_postgresql(connection: extensions.connection) -> None:
    """Let other greenlets run until PostgreSQL answers: psycopg2's wait callback.

    See https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries. Connecting
    has its limit here: libpq leaves that to the callback.
    """
    connecting = connection.status == extensions.STATUS_SETUP
    try:
        with gevent.Timeout(CONNECT_SECONDS, TimeoutError) if connecting else nullcontext():
            while (state := connection.poll()) != extensions.POLL_OK:
                wait = wait_read if state == extensions.POLL_READ else wait_write
                wait(connection.fileno())
    except TimeoutError as error:
        if not connecting or isinstance(error, DeadlineExceeded):
            raise
        raise psycopg2.OperationalError("timeout expired") from error


def _drain(req) -> None:
    """Read what the app left of the body, so that it is not taken for the next request."""
    try:
        with request_deadline():
            while req.body.read(DRAIN_BYTES):
                pass
    except (ParseException, OSError) as error:
        raise StopIteration from error


def _linger(sock: socket.socket) -> None:
    """Let the client read its answer and close its side.

    Closing first would reset a connection that has unread data, and with it the answer (RFC
    9112, section 9.6).
    """
    with suppress(OSError), gevent.Timeout(LINGER_SECONDS, False):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(DRAIN_BYTES):
            pass


def _problem_response(status: int) -> bytes:
    problem = http_problem(status)
    headers = {
        **dict(problem.headers),
        **SECURITY_HEADERS,
        "X-Request-ID": str(uuid4()),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {problem.status}\r\n{head}\r\n".encode() + problem.data
