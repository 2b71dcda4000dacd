"""Reading a stream of Server-Sent Events."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


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
        while True:
            try:
                events.append(self.next())
            except StopIteration:
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
