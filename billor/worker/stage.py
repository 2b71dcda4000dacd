"""A stage of what is done with messages: a queue, and a thread that works it off in batches."""

import logging
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Event

from billor.worker.outage import Outage
from billor.worker.received import Received

logger = logging.getLogger(__name__)

BATCH_SIZE = 100
POLL_SECONDS = 0.2


class Stage:
    """Give it messages by `deliver`, from any thread, and `run` it in one of its own."""

    def __init__(self, service: str, *away: type[Exception]):
        """Make a stage.

        `service` is the name of what it needs, and `away` what `handle` raises when that is
        unavailable.
        """
        self._service = service
        self._away = away
        self._queue: SimpleQueue[Received] = SimpleQueue()
        self._stop = Event()
        self._closed = Event()

    def handle(self, batch: Sequence[Received]) -> None:
        """Do the stage's work: settle every message or pass it on, also if this raises.

        If it raises, what was not done was given back, and the next batch should wait a
        little.
        """
        raise NotImplementedError

    def deliver(self, received: Received) -> None:
        """Take a message. Never raises."""
        if self._closed.is_set():
            received.delivery.nack()
        else:
            self._queue.put(received)

    def run(self, stop: Event) -> None:
        """Handle what is delivered until `stop` is set; then give back what waits.

        So a stop takes no longer than one batch, however many messages wait.
        """
        self._stop = stop
        outage = Outage(self._service, logger)
        while not stop.is_set():
            if batch := self._take_batch():
                try:
                    self.handle(batch)
                except self._away as error:
                    outage.begin_or_go_on(error, stop)
                else:
                    outage.end()
        self._closed.set()
        while batch := self._take_batch():
            give_back(batch)

    def _take_batch(self) -> list[Received]:
        """Up to `BATCH_SIZE` messages; waits a moment for the first, and for no other."""
        batch: list[Received] = []
        try:
            batch.append(self._queue.get(timeout=POLL_SECONDS))
            while len(batch) < BATCH_SIZE:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch


def give_back(batch: Sequence[Received]) -> None:
    """Have the messages delivered again."""
    for received in batch:
        received.delivery.nack()
