"""The consumer: turns messages into audit documents, and acks only what is stored.

Messages arrive in threads of the bus and wait in a queue; one thread takes them in small batches.
A message that is no event goes to the dead letters, so that it blocks nobody. While the store is
away everything is handed back, and nothing is dropped.
"""

import logging
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event

from billor.audit.store import AuditStore, DeadLetter, StoreUnavailable
from billor.events.bus import Delivery
from billor.events.event import (
    AUDIT_TYPES,
    AuditDocument,
    EventType,
    MalformedEvent,
    Message,
    to_audit_document,
)
from billor.events.outage import Outage
from billor.logs import printable

logger = logging.getLogger(__name__)

BATCH_SIZE = 100
POLL_SECONDS = 0.2


class Consumer:
    """Feed `deliver` to a bus, and `run` in a thread of its own."""

    def __init__(self, store: AuditStore, notify: Callable[[AuditDocument], None]):
        self._store = store
        self._notify = notify
        self._queue: SimpleQueue[Delivery] = SimpleQueue()
        self._stopping = Event()
        self._buried = 0

    def deliver(self, delivery: Delivery) -> None:
        """Take a message from the bus. Never raises, as the bus demands."""
        if self._stopping.is_set():
            delivery.nack()
        else:
            self._queue.put(delivery)

    def run(self, stop: Event) -> None:
        """Record what is delivered until `stop` is set; then finish what was taken before."""
        outage = Outage("The audit store", logger)
        while not stop.is_set():
            batch = self._take_batch()
            try:
                self.record(batch)
            except StoreUnavailable as error:
                outage.begin_or_go_on(error, stop)
            else:
                if batch:
                    outage.end()
        self._stopping.set()
        self._finish(store_is_away=outage.is_on)

    def record(self, batch: Sequence[Delivery]) -> None:
        """Store a batch and ack it. Raises `StoreUnavailable` after giving all of it back."""
        try:
            self._store_batch(batch)
        except StoreUnavailable:
            _give_back(batch)
            raise
        for delivery in batch:
            delivery.ack()

    def _store_batch(self, batch: Sequence[Delivery]) -> None:
        documents: list[AuditDocument] = []
        messages: list[Message] = []  # those of the documents
        for message in (delivery.message for delivery in batch):
            try:
                documents.append(to_audit_document(message.data))
                messages.append(message)
            except MalformedEvent as error:
                self._bury(message, str(error))
            except Exception as error:  # a mistake of ours; the message must not come for ever
                logger.exception("A message could not be read")
                self._bury(message, f"could not be read: {type(error).__name__}")
        if documents:
            saved = self._store.save(documents)
            for document in saved.new:
                if document["type"] == AUDIT_TYPES[EventType.LOAD_ASSIGNED]:
                    self._tell_driver(document)
            for document, message in zip(documents, messages, strict=True):
                for refused, reason in saved.refused:
                    if refused == document:
                        self._bury(message, reason)
                        break

    def _bury(self, message: Message, reason: str) -> None:
        self._store.bury(DeadLetter(message.data, message.attributes, reason))
        self._buried += 1
        logger.error("Dead letter, number %d since the start: %s", self._buried, printable(reason))

    def _tell_driver(self, document: AuditDocument) -> None:
        """At most once: an event that was stored without its notification is not told again."""
        try:
            self._notify(document)
        except Exception:
            logger.exception("The driver of event %s could not be told", document["_id"])

    def _take_batch(self) -> list[Delivery]:
        """Up to `BATCH_SIZE` messages; waits a moment for the first, and for no other."""
        batch: list[Delivery] = []
        try:
            batch.append(self._queue.get(timeout=POLL_SECONDS))
            while len(batch) < BATCH_SIZE:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch

    def _finish(self, store_is_away: bool) -> None:
        """Record what was taken before, or give it back to a bus that will bring it again."""
        while batch := self._take_batch():
            try:
                if store_is_away:  # trying each batch would take too long
                    _give_back(batch)
                else:
                    self.record(batch)
            except StoreUnavailable:
                store_is_away = True
                logger.warning("The audit store is away; unrecorded messages were given back")


def _give_back(batch: Sequence[Delivery]) -> None:
    for delivery in batch:
        delivery.nack()
