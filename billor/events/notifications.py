"""Telling drivers about their loads. Simulated: what would be sent is one line in the log."""

import logging

from billor.events.event import AuditDocument

logger = logging.getLogger(__name__)


def notify_driver(document: AuditDocument) -> None:
    """Tell the driver of an ASSIGNED document."""
    driver, load = document["payload"]["driver"], document["payload"]["load"]
    logger.info(
        "To %s: you have load %s, %s, from %s to %s.",
        driver["name"],
        load["id"],
        load["cargoType"],
        load["origin"],
        load["destination"],
    )
