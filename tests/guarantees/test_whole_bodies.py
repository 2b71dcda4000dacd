"""Promise 10: a request with a truncated body is refused and leaves nothing behind."""

import socket
import time
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from billor.models import Document, Driver, IdempotencyKey, Load, LoadEvent, db
from tests.support.http import Reply, read_reply
from tests.support.photos import PDF
from tests.support.system import Api, System
from tests.support.worker import WAIT_SECONDS, wait_until

ROWS = 1000
CSV = "origin,destination,cargoType\r\n" + '"Dallas, TX","Reno, NV",Hazardous class 3\r\n' * ROWS
DRIVER = '{"name": "Alex", "licenseNumber": "TX-1"}'
REQUESTS = {
    "a driver": ("/drivers", "application/json", DRIVER, False),
    "a PDF": ("/loads/1/documents", "application/pdf", PDF.decode(), False),
    "a CSV file": ("/loads/import", "text/csv", CSV, False),
    "a CSV file in chunks": ("/loads/import", "text/csv", CSV, True),
}


def end_by_closing(connection: socket.socket) -> None:
    connection.close()


def end_by_half_closing(connection: socket.socket) -> None:
    """Send no more, and wait for the answer."""
    connection.shutdown(socket.SHUT_WR)


def end_by_silence(_connection: socket.socket) -> None:
    """Leave it to the server's timeout."""


@pytest.fixture(scope="module")
def api(shared_system: System) -> Api:
    return shared_system.start_impatient_api()


@pytest.fixture
def system(shared_system: System) -> System:
    """The system without rows."""
    shared_system.empty()
    return shared_system


def stored(system: System) -> dict[str, int]:
    """The number of rows in each table that a request may write."""
    with system.app.app_context(), db.session.begin():
        return {
            model.__tablename__: db.session.scalar(select(func.count()).select_from(model))
            for model in (Document, Driver, Load, LoadEvent, IdempotencyKey)
        }


def head(api: Api, path: str, content_type: str, *lines: str) -> bytes:
    given = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {api.client.token}",
        f"Content-Type: {content_type}",
        "Idempotency-Key: monday",
        *lines,
    ]
    return ("\r\n".join(given) + "\r\n\r\n").encode()


def beginning(body: str) -> bytes:
    """All but the last characters: a CSV file is cut within a cell of its last row."""
    return body[: len(body) - 6].encode()


def send_part(
    api: Api, request: bytes, end: Callable[[socket.socket], None]
) -> tuple[Reply | None, str]:
    """Send this and no more; return the answer if the connection is still open, and the log."""
    before = len(api.output)
    with socket.create_connection(("127.0.0.1", api.client.port), WAIT_SECONDS) as connection:
        connection.sendall(request)
        time.sleep(0.1)  # so that the server reads it
        end(connection)
        wait_until(lambda: "billor.api.middleware: POST" in api.output[before:])
        reply = read_reply(connection) if connection.fileno() >= 0 else None
    return reply, api.output[before:]


CASES = [
    ("a driver", end_by_half_closing),
    ("a PDF", end_by_half_closing),
    ("a CSV file", end_by_closing),
    ("a CSV file in chunks", end_by_closing),
    ("a CSV file in chunks", end_by_silence),
]


@pytest.mark.parametrize(("kind", "end"), CASES)
def test_a_truncated_body_is_refused_and_leaves_nothing(system, api, kind, end):
    path, content_type, body, in_chunks = REQUESTS[kind]
    length = f"Content-Length: {len(body)}"
    system.connect(api.client.port).make_load()
    before = stored(system)

    request = head(api, path, content_type, length) + beginning(body)
    if in_chunks:  # and no last one
        chunk = f"{len(body):x}\r\n{body}\r\n".encode()
        request = head(api, path, content_type, "Transfer-Encoding: chunked") + chunk
    reply, log = send_part(api, request, end)
    if reply is not None:
        assert (reply.status, reply.body["code"]) == (400, "body_incomplete")
    assert f"POST {path} 400" in log
    assert stored(system) == before

    whole = head(api, path, content_type, length, "Connection: close") + body.encode()
    with socket.create_connection(("127.0.0.1", api.client.port), WAIT_SECONDS) as connection:
        connection.sendall(whole)
        reply = read_reply(connection)
    assert reply.status in (200, 201), reply.body
    assert reply.body.get("created", ROWS) == ROWS
    assert "Traceback" not in api.output
