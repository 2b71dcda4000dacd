"""Messages from the bus, parsed once before any stage handles them."""

import logging
from dataclasses import dataclass, field

from billor.events.bus import Delivery
from billor.events.event import (
    AUDIT_TYPES,
    AuditDocument,
    EventType,
    MalformedEvent,
    happened_at,
    to_audit_document,
)
from billor.metrics import Step, events_reached

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Received:
    """A delivery and its parsed message; fields that do not apply are empty.

    A valid message has a `document`, and a `notification` if a driver is to be notified. An invalid
    one has a `flaw`, the reason.
    """

    delivery: Delivery
    document: AuditDocument = field(default_factory=dict)
    notification: str = ""
    flaw: str = ""


def read(delivery: Delivery) -> Received:
    """Parse a message. Never raises, as `Bus.subscribe` requires."""
    try:
        document = to_audit_document(delivery.message.data)
        events_reached(Step.DELIVERED, [happened_at(document)])
        return Received(delivery, document, _notification(document))
    except MalformedEvent as error:
        return Received(delivery, flaw=str(error))
    except Exception as error:  # a bug of ours; the message must not be redelivered forever
        logger.exception("A message could not be read")
        return Received(delivery, flaw=f"could not be read: {type(error).__name__}")


def _notification(document: AuditDocument) -> str:
    """Return the text for the driver, empty for events that are no assignment.

    Raises `MalformedEvent` for an assignment that lacks its parts.
    """
    if document["type"] != AUDIT_TYPES[EventType.LOAD_ASSIGNED]:
        return ""
    match document["payload"]:
        case {
            "driver": {"name": str(name)},
            "load": {
                "id": int(id_),
                "cargoType": str(cargo_type),
                "origin": str(origin),
                "destination": str(destination),
            },
        }:
            return f"To {name}: you have load {id_}, {cargo_type}, from {origin} to {destination}."
    raise MalformedEvent("an assignment without the driver and the load to tell of")
