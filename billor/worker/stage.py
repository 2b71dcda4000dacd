"""A stage of message processing: a queue, and a thread that handles it in batches."""

import logging
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Event

from billor.metrics import messages_given_back
from billor.worker.outage import Outage
from billor.worker.received import Received

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
POLL_SECONDS = 0.2


class Stage:
    """Base class of stages: `deliver` messages from any thread, and `run` it in its own."""

    def __init__(self, service: str, *away: type[Exception]):
        """Create a stage.

        `service` is the name of the service it needs, `away` the exceptions of `handle` that mean
        that the service is unavailable.
        """
        self._service = service
        self._away = away
        self._queue: SimpleQueue[Received] = SimpleQueue()
        self._stop = Event()
        self._closed = Event()

    def handle(self, batch: Sequence[Received]) -> None:
        """Settle every message or pass it on, even if this raises.

        If it raises, unfinished messages were nacked, and the next batch should wait.
        """
        raise NotImplementedError

    def deliver(self, received: Received) -> None:
        """Take a message. Never raises."""
        if self._closed.is_set():
            give_back([received])
        else:
            self._queue.put(received)

    def run(self, stop: Event) -> None:
        """Handle messages until `stop` is set; then nack those in the queue.

        So a shutdown takes no longer than one batch, however long the queue is.
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
        """Return up to `BATCH_SIZE` messages; wait up to `POLL_SECONDS` for the first only."""
        batch: list[Received] = []
        try:
            batch.append(self._queue.get(timeout=POLL_SECONDS))
            while len(batch) < BATCH_SIZE:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch


def give_back(batch: Sequence[Received]) -> None:
    """Nack the messages, so that they are redelivered."""
    for received in batch:
        received.delivery.nack()
    messages_given_back(len(batch))
