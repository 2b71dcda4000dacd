"""A TCP proxy that can hold one direction of a connection."""

import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

HELD_WITHIN_SECONDS = 20
CHUNK = 1 << 16
REMEMBERED = 1 << 16
"""How many of the last bytes of a client are kept for the predicates of holds."""


class Direction(Enum):
    REQUESTS = auto()  # from clients
    ANSWERS = auto()  # from the service


class Hold:
    """Holds back all bytes of one direction of one connection, for good."""

    def __init__(self, direction: Direction, when: Callable[[bytes], bool]):
        self.direction = direction
        self.when = when
        self.caught = Event()

    def wait(self) -> None:
        """Wait until bytes are held."""
        assert self.caught.wait(HELD_WITHIN_SECONDS), "nothing was held"


class TcpProxy:
    """Runs in a `with` block; forwards to the service of a URL."""

    def __init__(self, url: str):
        service = urlsplit(url)
        self._service = (service.hostname, service.port)
        self._lock = Lock()
        self._holds: list[Hold] = []
        self._connections: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def replaced_in(self, url: str) -> str:
        """The service's URL, by way of the proxy."""
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        host, port = self._listener.getsockname()
        return parts._replace(netloc=f"{credentials}{at}{host}:{port}").geturl()

    def __enter__(self) -> "TcpProxy":
        return self

    def __exit__(self, *_) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for connection in self._connections:
            connection.cut()

    def hold(self, direction: Direction, when: Callable[[bytes], bool]) -> Hold:
        """Hold one direction of the first connection for which `when` is true.

        `when` gets the client's last bytes, whenever there are new ones. Requests are held with
        those new bytes, answers from then on.
        """
        hold = Hold(direction, when)
        with self._lock:
            self._holds.append(hold)
        return hold

    # What follows runs in the proxy's threads.

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            service = socket.create_connection(self._service)
        except OSError:
            client.close()
            return
        with self._lock:
            self._connections.append(_Connection(client, service, self._chosen))

    def _chosen(self, said: bytes) -> Hold | None:
        """The hold, if any, that begins now."""
        with self._lock:
            for hold in self._holds:
                if hold.when(said):
                    self._holds.remove(hold)
                    return hold
        return None


class _Connection:
    """Two sockets, and the threads that copy bytes between them."""

    def __init__(
        self,
        client: socket.socket,
        service: socket.socket,
        choose: Callable[[bytes], Hold | None],
    ):
        self._sides = (client, service)
        self._choose = choose
        self._said = b""
        self._hold: Hold | None = None
        for side in self._sides:
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._threads = [
            Thread(target=self._carry, args=arguments, daemon=True)
            for arguments in (
                (client, service, Direction.REQUESTS),
                (service, client, Direction.ANSWERS),
            )
        ]
        for thread in self._threads:
            thread.start()

    def cut(self) -> None:
        for side in self._sides:
            with suppress(OSError):  # it was closed before
                side.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for side in self._sides:
            side.close()

    def _carry(self, source: socket.socket, to: socket.socket, direction: Direction) -> None:
        """Forward bytes, or hold them, until one side closes; then close the other.

        The end of a held stream is not held: it shows that the process died.
        """
        with suppress(OSError):
            while said := source.recv(CHUNK):
                if direction is Direction.REQUESTS and self._hold is None:
                    self._said = (self._said + said)[-REMEMBERED:]
                    self._hold = self._choose(self._said)
                if self._hold is not None and self._hold.direction is direction:
                    self._hold.caught.set()
                else:
                    to.sendall(said)
        with suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)
