"""The consumer: stores audit documents and acks messages, in batches of one transaction.

After a crash the messages are redelivered, and storing is idempotent. A message that is not of an
event in the outbox becomes a dead letter, and one that keeps failing while the store takes others.
"""

import logging
import time
from collections.abc import Collection, Sequence
from threading import Event
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.store import AuditStore, StoreUnavailable
from billor.database import transaction
from billor.errors import Unavailable
from billor.events.bus import Bus, Delivery
from billor.events.event import MalformedEvent, read_event, to_document
from billor.events.outbox import lock_events, mark_recorded
from billor.observe.metrics import DEAD_LETTERS, NACKS, REDELIVERIES, events_reached
from billor.worker import dead_letters
from billor.worker.outage import run_with_backoff
from billor.worker.relay import prepare

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
MAX_FAILURES = 5
MAX_FAILING = 10_000  # more messages fail only where the store is at fault
LATE_SECONDS = 60  # in the bus


class Consumer:
    """Records events. Every call needs an application context."""

    def __init__(self, bus: Bus, store: AuditStore):
        self._bus = bus
        self._store = store
        self._recorded = 0
        self._failures: dict[bytes, tuple[int, int]] = {}
        self.behind_at = time.monotonic()
        """When recording last failed or was late, on the monotonic clock."""

    def run(self, stop: Event) -> None:
        run_with_backoff(self._step, stop, prepare=self._prepare)

    def _prepare(self) -> None:
        self.behind_at = time.monotonic()  # at the start, and after each failure
        self._store.prepare()
        prepare(self._bus)

    def _step(self) -> int:
        deliveries = self._bus.pull(BATCH_SIZE)
        if deliveries:
            self.handle(deliveries)
        return len(deliveries)

    def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Record a batch and ack it. What cannot be recorded now is nacked."""
        settled: set[Delivery] = set()
        try:
            settled.update(self._record_all(deliveries))
        finally:
            if settled:
                self._bus.ack([each for each in deliveries if each in settled])
            if failed := [each for each in deliveries if each not in settled]:
                NACKS.inc(len(failed))
                self._bus.nack(failed)

    def _record_all(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Record a batch, or else one by one; return what was recorded or became dead letters."""
        try:
            self._record(deliveries)
        except (Unavailable, SQLAlchemyError):
            raise
        except Exception as error:
            self._store.ping()  # raises if the store is away
            settled = [each for each in deliveries if self._record_alone(each)]
            if not settled:
                raise StoreUnavailable(str(error)) from error
            return settled
        return deliveries

    def _record_alone(self, delivery: Delivery) -> bool:
        """Record one message, or make it a dead letter if it failed too often; or return False."""
        data = delivery.message.data
        try:
            self._record([delivery])
        except (Unavailable, SQLAlchemyError):
            raise
        except Exception as error:
            failures, others = self._failures.get(data, (0, self._recorded))
            if len(self._failures) >= MAX_FAILING:
                self._failures.clear()
            self._failures[data] = failures + 1, others
            if failures + 1 < MAX_FAILURES or others == self._recorded:
                return False
            self._record([delivery], {delivery: f"{type(error).__name__}: {error}"})
        self._failures.pop(data, None)
        return True

    def _record(
        self, deliveries: Sequence[Delivery], dead: dict[Delivery, str] | None = None
    ) -> None:
        """Store the documents of messages, save the `dead` as dead letters, and mark both."""
        with transaction():
            events, malformed = _find_events(deliveries)
            dead = malformed | (dead or {})
            alive = {event.id: event for each, event in events.items() if each not in dead}
            self._store.save([to_document(event) for event in alive.values()])
            for delivery, reason in dead.items():
                dead_letters.keep(delivery.message, reason)
                DEAD_LETTERS.inc()
                logger.error("Dead letter: %s", reason)
            mark_recorded({event.id for event in events.values()})
        self._recorded += len(alive)
        self._note(alive.values())

    def _note(self, events: Collection[Row]) -> None:
        new = [event for event in events if event.recorded_at is None]
        events_reached("recorded", [event.created_at for event in new])
        REDELIVERIES.inc(len(events) - len(new))
        if any((event.seconds_in_bus or 0) > LATE_SECONDS for event in new):
            self.behind_at = time.monotonic()


def _find_events(deliveries: Sequence[Delivery]) -> tuple[dict[Delivery, Row], dict[Delivery, str]]:
    """Return the outbox's events of messages, and for the other messages why they have none.

    Whoever may publish to the topic could make up events: only what the outbox has is recorded.
    """
    claimed, flaws = {}, {}
    for delivery in deliveries:
        try:
            claimed[delivery] = read_event(delivery.message.data)
        except MalformedEvent as error:
            flaws[delivery] = str(error)
    found = lock_events({UUID(document["_id"]) for document in claimed.values()})
    events = {}
    for delivery, document in claimed.items():
        event = found.get(UUID(document["_id"]))
        if event is not None and to_document(event) == document:
            events[delivery] = event
        else:
            flaws[delivery] = "not an event of the outbox"
    return events, flaws
