"""Notifying drivers of their loads. Simulated: a notification is a line in the log."""

import logging

from sqlalchemy import Row

from billor.events.event import EventType
from billor.observe.traces import continued

logger = logging.getLogger(__name__)


def needs_notification(event: Row) -> bool:
    """Return whether an event is an assignment whose driver was not yet notified."""
    return event.type == EventType.LOAD_ASSIGNED and event.notified_at is None


def notify_driver(event: Row) -> None:
    """Notify the driver of an assignment."""
    load, driver = event.payload.get("load", {}), event.payload.get("driver", {})
    with continued("notify", event.traceparent):
        logger.info(
            "To %s: you have load %s, %s, from %s to %s.",
            *(driver.get("name"), load.get("id"), load.get("cargoType")),
            *(load.get("origin"), load.get("destination")),
        )
