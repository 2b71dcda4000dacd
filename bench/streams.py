"""Measures what open streams of changes cost, and how soon they tell of a change."""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

from bench import contenders
from bench.contenders import Contender, cpu_seconds
from bench.environment import Environment
from billor.extensions import db
from billor.loads.service import create_loads

STREAMS = 200
CHANGES = 40
IMPORTED = 10_000
IDLE_SECONDS = 20
LONGEST_SECONDS = 30
BYTES = 64 * 1024
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}


@dataclass(frozen=True)
class Streams:
    """Of all processes of the API together, with `STREAMS` open and idle.

    Shares of a core are of the API and PostgreSQL, without streams and with them. Milliseconds are
    from a commit until the last stream has told of it.
    """

    megabytes: float
    share_without: float
    share_with: float
    p50: float
    p99: float
    worst: float
    cpu_milliseconds: float
    """Of the API, for one change to all streams."""
    bytes_of_import: float
    """Sent to each stream for an import of `IMPORTED` loads."""


def streams(environment: Environment) -> Streams:
    """Open streams, wait, and commit changes."""
    with (
        environment.app.app_context(),
        contenders.billor(environment.settings, environment.folder) as server,
    ):
        with _open(server, environment.token, contenders.PROCESSES * 4):
            pass  # what first requests load does not count
        share_without = _idle_share(server, environment)
        before = server.all_megabytes()
        with _open(server, environment.token, STREAMS) as clients:
            megabytes = server.all_megabytes() - before
            share_with = _idle_share(server, environment)
            cpu_before = server.cpu_seconds()
            took = [clients.milliseconds(_commit(1)) for _ in range(CHANGES)]
            cpu = (server.cpu_seconds() - cpu_before) / CHANGES
            received = clients.bytes
            clients.milliseconds(_commit(IMPORTED))
            imported = (clients.bytes - received) / STREAMS
        return Streams(
            megabytes,
            share_without,
            share_with,
            median(took),
            quantiles(took, n=100)[98],
            max(took),
            cpu * 1000,
            imported,
        )


def _commit(count: int) -> Callable[[], None]:
    def commit() -> None:
        create_loads([LOAD] * count)
        db.session.remove()

    return commit


def _idle_share(server: Contender, environment: Environment) -> float:
    def used() -> float:
        return server.cpu_seconds() + cpu_seconds(environment.postgresql)

    before = used()
    time.sleep(IDLE_SECONDS)
    return (used() - before) / IDLE_SECONDS


class _Clients:
    """Open streams, read by one thread."""

    def __init__(self, sockets: list[socket.socket]):
        self._selector = selectors.DefaultSelector()
        self.bytes = 0
        for each in sockets:
            self._selector.register(each, selectors.EVENT_READ)
        self._count = len(sockets)

    def wait_for_all(self, *events: bytes) -> None:
        """Read until each stream has told of one of these events."""
        waiting = {key.fileobj for key in self._selector.get_map().values()}
        deadline = time.monotonic() + LONGEST_SECONDS
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waiting)} streams are silent")
            for key, _ in self._selector.select(timeout=1):
                data = key.fileobj.recv(BYTES)  # type: ignore[union-attr]
                if not data:
                    raise ConnectionError("a stream has ended")
                self.bytes += len(data)
                if any(event in data for event in events):
                    waiting.discard(key.fileobj)

    def milliseconds(self, commit: Callable[[], None]) -> float:
        """Return the time from a commit until all streams have told of it."""
        commit()
        committed = time.perf_counter()
        self.wait_for_all(b"event: change", b"event: many")
        return (time.perf_counter() - committed) * 1000


@contextmanager
def _open(server: Contender, token: str, count: int) -> Iterator[_Clients]:
    head = f"GET /changes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.create_connection(("127.0.0.1", server.port)))
            sockets[-1].sendall(head.encode())
        clients = _Clients(sockets)
        clients.wait_for_all(b"event: ready")
        yield clients
    finally:
        for each in sockets:
            each.close()
