"""What a message from the bus says, read once, before anything is done about it."""

import logging
from dataclasses import dataclass, field

from billor.events.bus import Delivery
from billor.events.event import (
    AUDIT_TYPES,
    AuditDocument,
    EventType,
    MalformedEvent,
    to_audit_document,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Received:
    """A delivery and what its message says; what it does not say is empty.

    Either there is the `document` that it becomes, with the `notification` for a driver if there is
    one, or the `flaw` because of which it becomes none.
    """

    delivery: Delivery
    document: AuditDocument = field(default_factory=dict)
    notification: str = ""
    flaw: str = ""


def read(delivery: Delivery) -> Received:
    """Read a message. Never raises, as the bus demands of whoever takes its deliveries."""
    try:
        document = to_audit_document(delivery.message.data)
        return Received(delivery, document, _notification(document))
    except MalformedEvent as error:
        return Received(delivery, flaw=str(error))
    except Exception as error:  # a mistake of ours; the message must not come for ever
        logger.exception("A message could not be read")
        return Received(delivery, flaw=f"could not be read: {type(error).__name__}")


def _notification(document: AuditDocument) -> str:
    """Return what to tell a driver. Raises `MalformedEvent` for an assignment without that."""
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
