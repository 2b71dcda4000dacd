"""The relay: publishes the events in the outbox."""

from functools import partial
from threading import Event

from billor.database import transaction
from billor.events import outbox
from billor.events.bus import Bus
from billor.events.event import to_message
from billor.observe.metrics import EVENTS_PUBLISHED, events_reached
from billor.worker.outage import run_with_backoff

BATCH_SIZE = 500
IDLE_SECONDS = 0.2


def run_relay(bus: Bus, stop: Event) -> None:
    """Publish events until `stop` is set. Needs an application context."""
    run_with_backoff(partial(publish_batch, bus), stop, IDLE_SECONDS, partial(prepare, bus))


def publish_batch(bus: Bus) -> int:
    """Publish the oldest unpublished events; return how many. All are published, or none."""
    with transaction():
        events = outbox.claim_unpublished(BATCH_SIZE)
        if events:
            bus.publish([to_message(event) for event in events])
    EVENTS_PUBLISHED.inc(len(events))
    events_reached("published", [event.created_at for event in events])
    return len(events)


def prepare(bus: Bus) -> None:
    """Prepare the bus, and republish what a new subscription has missed."""
    if bus.prepare() and (until := outbox.last_unrecorded()):
        while outbox.publish_unrecorded(until) == outbox.MAX_REPUBLISHED:
            pass
