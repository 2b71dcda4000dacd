"""Notifying drivers of their loads. Simulated: a notification is a line in the log.

It comes some seconds after the event, and not at all if the assignment was cancelled by then, or
its plan activated: a dispatcher may undo a mistake. A crash in between notifies again.
"""

import logging
from threading import Event

from sqlalchemy import Row

from billor.database import transaction
from billor.events.event import EventType
from billor.events.outbox import claim_unnotified
from billor.models import AssignmentStatus
from billor.observe.traces import continued
from billor.worker.outage import run_with_backoff

logger = logging.getLogger(__name__)

UNDO_SECONDS = 10
BATCH_SIZE = 500
IDLE_SECONDS = 1
WHAT = {
    EventType.ASSIGNED: "you have",
    EventType.ASSIGNMENT_REOPENED: "you have",
    EventType.LOAD_PLANNED: "next you have",
    EventType.LOAD_UPDATED: "a change of your",
    EventType.LOAD_COMMENTED: "a comment on your",
}
# A planned load was activated since then, or one is planned again.
OUTDATED = {(EventType.LOAD_PLANNED, True), (EventType.ASSIGNED, False)}


def run_notifier(stop: Event) -> None:
    """Notify drivers until `stop` is set. Needs an application context."""
    run_with_backoff(lambda: None, notify_drivers, stop, IDLE_SECONDS)


def notify_drivers() -> int:
    """Notify drivers of the oldest events that are due; return how many were."""
    with transaction():
        events = claim_unnotified(WHAT, BATCH_SIZE, UNDO_SECONDS)
        for event in filter(_is_news, events):
            load, driver = event.payload.get("load", {}), event.payload.get("driver", {})
            with continued("notify", event.traceparent):
                logger.info(
                    "To %s: %s load %s, %s, from %s to %s.",
                    *(driver.get("name"), WHAT[event.type], load.get("id"), load.get("cargoType")),
                    *(load.get("origin"), load.get("destination")),
                )
    return len(events)


def _is_news(event: Row) -> bool:
    """Return whether it still holds, and is not what the driver said."""
    is_begun = event.status != AssignmentStatus.PLANNED
    is_outdated = (event.type, is_begun) in OUTDATED or event.status == AssignmentStatus.CANCELLED
    return not is_outdated and not event.payload.get("comment", {}).get("byDriver", False)
