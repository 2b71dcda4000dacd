"""Reading a stream of Server-Sent Events."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from tests.support.http import HttpClient
from tests.support.worker import WAIT_SECONDS


class ServerEvent(NamedTuple):
    """One event; the id is the last that was told."""

    event: str
    raw_data: str
    id: str

    @property
    def data(self) -> Any:
        return json.loads(self.raw_data)


class EventStream:
    """Reads the events of a response, as its pieces arrive.

    A change that is told again is left out, as clients should do.
    """

    def __init__(self, pieces: Iterator[bytes], headers: Mapping[str, str]):
        self.headers = headers
        self.retry: int | None = None
        self._pieces = iter(pieces)
        self._text = ""
        self._id = ""
        self._known: set[str] = set()

    def next(self) -> ServerEvent:
        """Wait for the next event. Raises `StopIteration` where the stream ends before one."""
        while True:
            block, found, rest = self._text.partition("\n\n")
            if not found:
                self._text += next(self._pieces).decode()
                continue
            self._text = rest
            if event := self._read(block):
                return event

    def take(self, count: int) -> list[ServerEvent]:
        """Wait for so many events."""
        return [self.next() for _ in range(count)]

    def rest(self) -> list[ServerEvent]:
        """All events until the stream ends."""
        events = []
        with suppress(StopIteration):
            while True:
                events.append(self.next())
        return events

    def next_piece(self) -> bytes:
        """Wait for the next piece of the body, whatever it is."""
        return next(self._pieces)

    def _read(self, block: str) -> ServerEvent | None:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        self._id = fields.get("id", self._id)
        if "retry" in fields:
            self.retry = int(fields["retry"])
        if "data" not in fields:
            return None
        event = ServerEvent(fields["event"], fields["data"], self._id)
        if event.event == "change":
            if event.data["id"] in self._known:
                return None
            self._known.add(event.data["id"])
        return event


class Listener(EventStream):
    """A stream over a connection of its own."""

    def __init__(self, client: HttpClient, last: str = ""):
        self._connection = http.client.HTTPConnection("127.0.0.1", client.port, WAIT_SECONDS)
        headers = {"Authorization": f"Bearer {client.token}"}
        if last:
            headers["Last-Event-ID"] = last
        self._connection.request("GET", "/changes", headers=headers)
        answer = self._connection.getresponse()
        assert answer.status == 200
        super().__init__(iter(lambda: answer.read1() or None, None), answer.headers)
        self.ready = self.next()

    def event_of(self, load: dict) -> ServerEvent:
        """The next event of a load; those of just before the stream began may come first."""
        while (event := self.next()).data["loadId"] != load["id"]:
            pass
        return event

    def close(self) -> None:
        self._connection.close()

    @property
    def sock(self) -> socket.socket:
        return self._connection.sock

    @property
    def local_port(self) -> int:
        return self.sock.getsockname()[1]
