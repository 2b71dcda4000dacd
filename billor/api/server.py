"""gunicorn's gevent worker, adapted to psycopg2, and with a shutdown that loses no request.

Each connection has a greenlet instead of a thread, so idle and slow clients block nobody.
"""

import logging
import re
import socket
from contextlib import suppress
from functools import partial

import psycopg2
from gevent import get_hub, sleep
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import wait_read, wait_write
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.http.body import Body
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker
from psycopg2 import extensions
from uuid_utils import uuid4

from billor.api.middleware import SECURITY_HEADERS
from billor.api.problems import http_problem
from billor.database import CONNECT_SECONDS
from billor.observe.context import request_id

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
POOL_THREADS = 20  # more than all functions of `in_thread` together
STATEMENT_SECONDS = 17  # longer than `statement_timeout`: no result by then means a hang
CLIENT_SECONDS = 10  # how long a client may pause while it sends a body or reads a response
BODY_SECONDS = 300  # how long it may take to send a body: 16 MiB at 56 KB/s
UNREAD_BYTES = 64 * 1024
IDLE_SECONDS = 1  # how long idle connections stay open at shutdown, for requests in transit
HOST = re.compile(r"([\w.-]+|\[[\da-f:.]+\])(:\d*)?", re.ASCII | re.IGNORECASE)
STATUSES: dict[type[Exception], int] = {
    errors.LimitRequestLine: 414,
    errors.ExpectationFailed: 417,
    errors.LimitRequestHeaders: 431,
    errors.UnsupportedTransferCoding: 501,
}


class GunicornLogger(Logger):
    """Sends gunicorn's own log to the common handler (see `billor.observe.logs`)."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class BillorWorker(GeventWorker):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._idle: set[socket.socket] = set()

    def init_process(self) -> None:
        extensions.set_wait_callback(wait_for_postgresql)
        get_hub().threadpool_size = POOL_THREADS
        super().init_process()

    def run(self) -> None:
        """Serve until SIGTERM, then finish the requests in flight.

        gunicorn's own `run` resets connections not yet accepted, and waits for idle ones.
        """
        pool = Pool(self.worker_connections)
        servers = [
            StreamServer(listener, partial(self.handle, _Listener(listener)), spawn=pool)
            for listener in self.sockets
        ]
        for server in servers:
            server.max_accept = 1  # leave the next connection to another process
            server.start()
        while self.alive:
            self.notify()
            sleep(POLL_SECONDS)
        for server in servers:
            server.stop_accepting()
            while (waiting := server.do_read()) is not None:
                server.do_handle(*waiting)
            server.close()
        self.wsgi.extensions["changes"].close()
        pool.join(IDLE_SECONDS)
        for client in self._idle:
            with suppress(OSError):  # the client has closed it
                client.shutdown(socket.SHUT_RD)
        pool.join(self.cfg.graceful_timeout - IDLE_SECONDS)
        pool.kill(timeout=POLL_SECONDS)

    def handle(self, listener, client, addr) -> None:
        self._idle.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle.discard(client)

    def handle_request(self, listener_name, req, sock, addr) -> None:
        self._idle.discard(sock)
        sock.settimeout(CLIENT_SECONDS)
        _check_host(req)
        req.body = _Body(req)
        deadline = get_hub().loop.timer(BODY_SECONDS)
        deadline.start(sock.shutdown, socket.SHUT_RD)
        try:
            super().handle_request(listener_name, req, sock, addr)
            while req.body.read(UNREAD_BYTES):  # what the app did not need
                pass
        except (TimeoutError, errors.ParseException) as error:
            # The client does not read, or sends junk. It makes gunicorn close the connection.
            raise StopIteration from error
        finally:
            deadline.close()
        sock.settimeout(None)
        self._idle.add(sock)

    def handle_error(self, req, client, addr, exc) -> None:
        """Respond to requests that the app never sees, with problem documents too.

        gunicorn's own method logs and returns parts of the request, such as a token.
        """
        id_ = str(uuid4())
        request_id.set(id_)
        if isinstance(exc, errors.ParseException):
            logger.warning("Invalid request: %s", type(exc).__name__)
            problem = http_problem(STATUSES.get(type(exc), 400))
        else:
            logger.error("A request failed", exc_info=exc)
            problem = http_problem(500)
        problem.headers.update(SECURITY_HEADERS)
        problem.headers.update({"X-Request-ID": id_, "Connection": "close"})
        with suppress(OSError):  # the client has closed it
            client.sendall(f"HTTP/1.1 {problem.status}\r\n{problem.headers}".encode())
            client.sendall(problem.data)


class _Body(Body):
    """A request's body. After a failure to read it, the response closes the connection.

    It is unknown then where the next request begins.
    """

    def __init__(self, req: Request):
        super().__init__(req.body.reader)
        self._req = req

    def read(self, size: int | None = None) -> bytes:
        try:
            return super().read(size)
        except Exception:
            self._req.force_close()
            raise


def _check_host(req: Request) -> None:
    """Refuse a malformed or missing Host (RFC 9112, section 3.2). gunicorn refuses a second one."""
    hosts = [value for name, value in req.headers if name == "HOST"]
    if not all(map(HOST.fullmatch, hosts)) or (req.version > (1, 0) and not hosts):
        raise errors.InvalidHeader("HOST", req=req)


class _Listener:
    """A listener's name, which gunicorn needs even after the listener was closed."""

    def __init__(self, listener: socket.socket):
        self._name = listener.getsockname()

    def getsockname(self):
        return self._name


def wait_for_postgresql(connection: extensions.connection) -> None:
    """Let other greenlets run until PostgreSQL responds: psycopg2's wait callback.

    See https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries. libpq's own
    timeouts do not apply here.
    """
    is_new = connection.status == extensions.STATUS_SETUP
    seconds = CONNECT_SECONDS if is_new else STATEMENT_SECONDS
    while (state := connection.poll()) != extensions.POLL_OK:
        wait = wait_read if state == extensions.POLL_READ else wait_write
        wait(connection.fileno(), seconds, psycopg2.OperationalError("timeout expired"))
