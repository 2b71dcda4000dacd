"""Clients that are silent, or send or read slowly, keep no other client waiting."""

import itertools
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import text

from billor.extensions import db
from billor.loads.exporting import MAX_EXPORTS
from tests.support.http import HttpClient
from tests.support.system import Dispatcher
from tests.support.worker import WAIT_SECONDS, wait_until

POST = "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
IMPATIENT = """
from billor import deadlines
from billor.server import gunicorn_worker
deadlines.REQUEST_SECONDS = deadlines.PIECE_SECONDS = deadlines.UNAUTHORISED_SECONDS = 1
Worker = gunicorn_worker.BillorWorker
"""
SLOW_REQUESTS = {  # the first bytes, and the byte that is repeated
    "GET /healthz HTTP/1.1\r\nHost: local": b"",
    f"{POST}Content-Length: 100\r\n\r\n{{": b"",
    "GET /healthz HTTP/1.1\r\nX-Endless: ": b"a",
    f"{POST}Content-Length: 100000\r\n\r\n": b" ",
}
SILENT, ONE_BYTE, SLOW_READERS = 1000, 200, 50
LOADS_EXPORTED = 20_000
MANY_LOADS = f"""
    INSERT INTO loads (origin, destination, cargo_type, status)
    SELECT repeat('x', 200), repeat('y', 200), repeat('z', 100), 'OPEN'
    FROM generate_series(1, {LOADS_EXPORTED})
"""  # noqa: S608


def taken(port: int, request: bytes, pauses: Iterator[float]) -> bytes:
    """What a client reads that makes these pauses, in seconds, between pieces."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(WAIT_SECONDS)
        connection.connect(("127.0.0.1", port))
        connection.sendall(request)
        pieces = []
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                pieces.append(piece)
                time.sleep(next(pauses))
        return b"".join(pieces)


@pytest.fixture
def many_files():
    """Raise the limit of open files, of which every connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(stack: ExitStack, port: int, request: str = "") -> socket.socket:
    """Connect, send this and no more, with a small receive buffer."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(WAIT_SECONDS)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request.encode())
    return connection


def usual_seconds(client: HttpClient, path: str) -> float:
    """The median time of an answer over a new connection."""
    taken = []
    for _ in range(50):
        client.close()
        started = time.perf_counter()
        assert client.get(path).status == 200
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_a_thousand_slow_clients_do_not_slow_down_others(system_without_bus):
    system = system_without_bus
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text(MANY_LOADS))
    api = system.start_whole_api(workers=2)
    client = system.connect(api.client.port)
    head = f"Host: localhost\r\nAuthorization: Bearer {system.token}\r\n\r\n"
    export = f"GET /loads.csv HTTP/1.1\r\n{head}"
    quiet = usual_seconds(client, "/loads")
    with ExitStack() as stack:
        for _ in range(SILENT):
            connect(stack, api.client.port)
        for _ in range(ONE_BYTE):
            connect(stack, api.client.port, "G")
        readers = [connect(stack, api.client.port, export) for _ in range(SLOW_READERS)]
        replies = [reader.recv(4096) for reader in readers]
        with Dispatcher(system.connect(api.client.port)) as dispatcher:
            dispatcher.wait_for_rounds(10)
        assert dispatcher.failures == dispatcher.problems == []
        assert usual_seconds(client, "/healthz") < 0.1
        assert min(usual_seconds(client, "/loads") for _ in range(3)) < 2 * quiet

    begun = [reply for reply in replies if reply.startswith(b"HTTP/1.1 200 ")]
    assert 0 < len(begun) <= 2 * MAX_EXPORTS
    for reply in replies:
        if reply not in begun:
            assert reply.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1\r\n" in reply
    # The exports of disconnected clients are not counted any more.
    wait_until(lambda: client.get("/loads.csv?status=CANCELLED").status == 200)
    assert "Traceback" not in api.output


def test_a_new_connection_goes_to_a_process_with_few(system_without_bus):
    api = system_without_bus.start_whole_api(workers=2)
    with ExitStack() as stack:

        def connect_one() -> bool:
            client = HttpClient(api.client.port)
            stack.callback(client.close)
            return client.get("/healthz").status == 200

        def connect_some() -> None:
            fewest, most = api.clients()
            for _ in range(abs(most - fewest) + 16):
                assert connect_one()
            assert min(api.clients()) > 0.7 * max(api.clients())

        connect_some()

        killed = api.children()[0]
        killed.kill()
        wait_until(lambda: killed not in api.children() and len(api.children()) == 2)
        wait_until(lambda: connect_one() and min(api.clients()) > 0)
        connect_some()


def test_slow_clients_are_disconnected_after_a_timeout(system_without_bus):
    system = system_without_bus
    (system.folder / "impatient.py").write_text(IMPATIENT)
    api = system.start_api(
        workers=1, GUNICORN_CMD_ARGS="--worker-class=impatient.Worker --keep-alive=1"
    )
    with ExitStack() as stack, ThreadPoolExecutor(len(SLOW_REQUESTS)) as pool:
        slow = []
        for begin, more in SLOW_REQUESTS.items():
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", api.client.port), WAIT_SECONDS)
            )
            connection.sendall(begin.encode())
            slow.append(pool.submit(is_cut_off, connection, more))
        assert system.connect(api.client.port).get("/healthz").status == 200
        assert all(one.result() for one in slow)
    assert "Traceback" not in api.output


@pytest.mark.slow
def test_a_slow_client_that_keeps_reading_gets_the_whole_answer(system_without_bus):
    system = system_without_bus
    (system.folder / "impatient.py").write_text(IMPATIENT)
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text(MANY_LOADS))
    api = system.start_api(
        workers=1, GUNICORN_CMD_ARGS="--worker-class=impatient.Worker --keep-alive=1"
    )
    request = f"GET /loads.csv HTTP/1.0\r\nAuthorization: Bearer {system.token}\r\n\r\n".encode()
    slow = taken(api.client.port, request, itertools.repeat(0.02))
    assert slow.count(b",OPEN,") == LOADS_EXPORTED
    too_slow = taken(api.client.port, request, itertools.chain([8], itertools.repeat(0)))
    assert too_slow.count(b",OPEN,") < LOADS_EXPORTED
    assert "Traceback" not in api.output


def test_clients_that_do_not_disconnect_keep_no_others_waiting(system_without_bus):
    """Each could block the thread that serves all connections for two seconds."""
    api = system_without_bus.start_api(workers=1)
    answered = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        staying = []
        for request in [answered, b"nonsense\r\n\r\n"] * 6:
            address = ("127.0.0.1", api.client.port)
            staying.append(stack.enter_context(socket.create_connection(address, WAIT_SECONDS)))
            staying[-1].sendall(request)
        started = time.monotonic()
        for connection in staying:
            assert connection.recv(12).startswith(b"HTTP/1.1")
        assert system_without_bus.connect(api.client.port).get("/healthz").status == 200
        assert time.monotonic() - started < 8


def is_cut_off(connection: socket.socket, more: bytes) -> bool:
    """Send until the server disconnects; False if it does not in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    connection.settimeout(0.1)
    while time.monotonic() < deadline:
        try:
            connection.sendall(more)
            if not connection.recv(1 << 16):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False
