"""The relay: publishes the events in the outbox."""

from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from billor.database import transaction
from billor.errors import Unavailable
from billor.events.bus import Bus, BusUnavailable
from billor.events.event import to_message
from billor.events.outbox import (
    MAX_REPUBLISHED,
    claim_unpublished,
    last_unrecorded,
    publish_unrecorded,
)
from billor.metrics import EVENTS_PUBLISHED, Step, events_reached
from billor.worker.outage import Outage

BATCH_SIZE = 500
IDLE_SECONDS = 0.2


class Relay:
    """Publishes events. Every call needs an application context."""

    def __init__(self, bus: Bus):
        self._bus = bus

    def run(self, stop: Event) -> None:
        """Publish events until `stop` is set, with a backoff while PostgreSQL or the bus fails."""
        outage, is_prepared = Outage(), False
        while not stop.is_set():
            try:
                if not is_prepared:
                    prepare(self._bus)
                    is_prepared = True
                published = self.publish_batch()
            except (Unavailable, SQLAlchemyError, BusUnavailable) as error:
                is_prepared = False  # somebody may have deleted the topic
                outage.wait(error, stop)
            else:
                outage.end()
                if not published:
                    stop.wait(IDLE_SECONDS)

    def publish_batch(self) -> int:
        """Publish the oldest unpublished events; return how many. All are published, or none."""
        with transaction():
            events = claim_unpublished(BATCH_SIZE)
            if events:
                self._bus.publish([to_message(event) for event in events])
        EVENTS_PUBLISHED.inc(len(events))
        events_reached(Step.PUBLISHED, [event.created_at for event in events])
        return len(events)


def prepare(bus: Bus) -> None:
    """Prepare the bus; have published again what a new subscription does not get.

    Raises `ConfigError`, `BusUnavailable`, `Unavailable`.
    """
    if bus.prepare() and (until := last_unrecorded()):
        while publish_unrecorded(until) == MAX_REPUBLISHED:
            pass
