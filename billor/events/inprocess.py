"""The bus within one worker: a queue in memory.

A killed process loses the queue. The next one has a new bus, and so republishes what was not
recorded.
"""

from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Full, Queue

from billor.events.bus import BusUnavailable, Delivery
from billor.events.event import Message

MAX_BATCHES = 2
"""Publishing waits while the queue has this many."""
PUT_SECONDS = 4
PULL_SECONDS = 1


class InProcessBus:
    def __init__(self) -> None:
        self._batches: Queue[list[Delivery]] = Queue(MAX_BATCHES)
        self._nacked: list[Delivery] = []
        self._is_new = True

    def prepare(self) -> bool:
        is_new, self._is_new = self._is_new, False
        return is_new

    def publish(self, messages: Sequence[Message]) -> None:
        try:
            self._batches.put([Delivery(message) for message in messages], timeout=PUT_SECONDS)
        except Full:
            raise BusUnavailable("the consumer does not take messages") from None

    def pull(self, max_messages: int) -> list[Delivery]:
        batch, self._nacked = self._nacked, []
        with suppress(Empty):
            batch += self._batches.get(block=not batch, timeout=PULL_SECONDS)
        return batch

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing: a message is in the queue until it is pulled."""

    def nack(self, deliveries: Sequence[Delivery]) -> None:
        self._nacked += deliveries

    def close(self) -> None:
        """Do nothing: there is no connection."""
