"""What a message from the bus says, read once, before anything is done about it."""

import logging
from dataclasses import dataclass

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
    """A delivery, and either the `document` that its message is to become or the `flaw` because of
    which it can be none. `notification` is what a driver is to be told, if one is."""

    delivery: Delivery
    document: AuditDocument | None = None
    notification: str | None = None
    flaw: str | None = None


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


def _notification(document: AuditDocument) -> str | None:
    """Raises `MalformedEvent` for an assignment of which nobody can be told."""
    if document["type"] != AUDIT_TYPES[EventType.LOAD_ASSIGNED]:
        return None
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
