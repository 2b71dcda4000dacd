"""Measures what open streams of changes cost, and how soon they show a change."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from bench import contenders
from bench.contenders import Contender, cpu_seconds
from bench.environment import Environment, environment
from billor.auth.service import issue_token
from billor.loads.service import create_loads
from billor.models import db
from billor.users.service import create_user

STREAMS = 200
CHANGES = 40
IDLE_SECONDS = 20
MAX_SECONDS = 30
BYTES = 64 * 1024
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
HEADINGS = (f"{STREAMS} open streams", "")


def streams() -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Open streams, wait, and commit changes."""
    with (
        environment() as found,
        found.app.app_context(),
        contenders.billor(found.settings, found.folder) as server,
    ):
        tokens = [
            issue_token(create_user("Board", f"board{number}@billor.example"))
            for number in range(STREAMS)
        ]
        with _open(server, tokens[: contenders.PROCESSES * 4]):
            pass  # warms up: first requests load modules
        share_without = _idle_share(server, found)
        before = sum(server.megabytes())
        with _open(server, tokens) as clients:
            megabytes = sum(server.megabytes()) - before
            share_with = _idle_share(server, found)
            took = [clients.milliseconds_until_shown() for _ in range(CHANGES)]
    return HEADINGS, [
        ("MB of all API processes for them", f"{megabytes:.1f}"),
        ("idle, API and PostgreSQL, of a core", f"{share_with:.1%}"),
        ("the same without streams", f"{share_without:.1%}"),
        ("ms from a commit until the last stream shows it, p50", f"{median(took):.0f}"),
        ("the same, at most", f"{max(took):.0f}"),
    ]


def _idle_share(server: Contender, found: Environment) -> float:
    before = cpu_seconds(server.process, found.postgresql)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(server.process, found.postgresql) - before) / IDLE_SECONDS


class _Clients:
    """Open streams, read by one thread."""

    def __init__(self, sockets: list[socket.socket]):
        self._selector = selectors.DefaultSelector()
        for each in sockets:
            self._selector.register(each, selectors.EVENT_READ)

    def wait_for_all(self, *events: bytes) -> None:
        """Read until each stream has shown one of these events."""
        waiting = {key.fileobj for key in self._selector.get_map().values()}
        deadline = time.monotonic() + MAX_SECONDS
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waiting)} streams are silent")
            for key, _ in self._selector.select(timeout=1):
                data = key.fileobj.recv(BYTES)  # type: ignore[union-attr]
                if not data:
                    raise ConnectionError("a stream has ended")
                if any(event in data for event in events):
                    waiting.discard(key.fileobj)

    def milliseconds_until_shown(self) -> float:
        """Return the time from a commit until all streams have shown it."""
        create_loads([LOAD])
        db.session.remove()
        committed = time.perf_counter()
        self.wait_for_all(b"event: change", b"event: many")
        return (time.perf_counter() - committed) * 1000


@contextmanager
def _open(server: Contender, tokens: Sequence[str]) -> Iterator[_Clients]:
    head = "GET /changes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
    sockets = []
    try:
        for token in tokens:
            sockets.append(socket.create_connection(("127.0.0.1", server.port)))
            sockets[-1].sendall(f"{head}{token}\r\n\r\n".encode())
        clients = _Clients(sockets)
        clients.wait_for_all(b"event: ready")
        yield clients
    finally:
        for each in sockets:
            each.close()
