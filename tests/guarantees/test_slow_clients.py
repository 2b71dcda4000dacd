"""Promise 11: clients that are silent, or send or read slowly, keep no other client waiting."""

import socket
from contextlib import ExitStack

import pytest

from billor.loads.exporting import MAX_EXPORTS
from tests.support.databases import run_sql
from tests.support.system import Dispatcher, System
from tests.support.worker import WAIT_SECONDS, wait_until

SILENT, ONE_BYTE, SLOW_READERS = 1000, 200, 50
LOADS_EXPORTED = 10_000
MANY_LOADS = f"""
    SET LOCAL statement_timeout = 0;
    INSERT INTO loads (origin, destination, cargo_type, status)
    SELECT repeat('x', 200), repeat('y', 200), repeat('z', 100), 'OPEN'
    FROM generate_series(1, {LOADS_EXPORTED})
"""  # noqa: S608
"""Their export is larger than the buffers of a connection."""
POST = "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW_REQUESTS = {  # the first bytes, and the byte that is repeated
    "half a head": ("GET /healthz HTTP/1.1\r\nHost: local", b""),
    "an endless head": ("GET /healthz HTTP/1.1\r\nX-Endless: ", b"a"),
    "half a body": (f"{POST}Content-Length: 100\r\n\r\n{{", b""),
    "an endless body": (f"{POST}Content-Length: 8000\r\n\r\n{{", b" "),
    "endless chunks": (f"{POST}Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


def connect(stack: ExitStack, port: int, request: str = "") -> socket.socket:
    """Connect, send this and no more, with a small receive buffer."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(WAIT_SECONDS)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request.encode())
    return connection


@pytest.mark.usefixtures("many_files")
def test_a_thousand_silent_and_many_slow_clients_keep_nobody_waiting(system_without_bus: System):
    system = system_without_bus
    run_sql(system.app, MANY_LOADS)
    api = system.start_whole_api(workers=2)
    client = system.connect(api.client.port)
    head = f"Host: localhost\r\nAuthorization: Bearer {system.token}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(SILENT):
            connect(stack, api.client.port)
        for _ in range(ONE_BYTE):
            connect(stack, api.client.port, "G")
        export = f"GET /loads.csv HTTP/1.1\r\n{head}"
        readers = [connect(stack, api.client.port, export) for _ in range(SLOW_READERS)]
        replies = [reader.recv(4096) for reader in readers]
        for _ in range(50):
            client.close()
            assert client.get("/healthz").status == client.get("/loads").status == 200
        with Dispatcher(system.connect(api.client.port)) as dispatcher:
            dispatcher.wait_for_rounds(10)
        assert dispatcher.failures == dispatcher.problems == []

    begun = [reply for reply in replies if reply.startswith(b"HTTP/1.1 200 ")]
    assert 0 < len(begun) <= 2 * MAX_EXPORTS
    for reply in replies:
        if reply not in begun:
            assert reply.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1\r\n" in reply
    # The exports of disconnected clients no longer count.
    wait_until(lambda: client.get("/loads.csv?status=CANCELLED").status == 200)
    assert "Traceback" not in api.output


def test_clients_that_send_too_slowly_are_disconnected(system_without_bus: System):
    api = system_without_bus.start_impatient_api()
    with ExitStack() as stack:
        connections = {
            kind: connect(stack, api.client.port, begin)
            for kind, (begin, _) in SLOW_REQUESTS.items()
        }
        for connection in connections.values():
            connection.settimeout(0.02)  # or the others would pause for too long

        def all_are_disconnected() -> bool:
            for kind, connection in list(connections.items()):
                if is_disconnected(connection, SLOW_REQUESTS[kind][1]):
                    del connections[kind]
            return not connections

        wait_until(all_are_disconnected)
    assert "Traceback" not in api.output


def is_disconnected(connection: socket.socket, more: bytes) -> bool:
    try:
        connection.sendall(more)
        return not connection.recv(1 << 16)
    except TimeoutError:
        return False
    except OSError:
        return True
