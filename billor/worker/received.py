"""Messages from the bus, parsed once before any stage handles them."""

import logging
from dataclasses import dataclass, field, replace

from billor.events.bus import Delivery
from billor.events.event import (
    AUDIT_TYPES,
    TRACEPARENT,
    AuditDocument,
    EventType,
    MalformedEvent,
    happened_at,
    to_audit_document,
)
from billor.metrics import Step, events_reached
from billor.traces.parent import read_traceparent
from billor.traces.spans import Span, tracer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Received:
    """A delivery and its parsed message; fields that do not apply are empty.

    A valid message has a `document`, and a `notification` if a driver is to be notified. An invalid
    one has a `flaw`, the reason. What is done with either goes on with the trace of `traceparent`.
    """

    delivery: Delivery
    document: AuditDocument = field(default_factory=dict)
    notification: str = ""
    flaw: str = ""
    traceparent: str | None = None


class _TracedDelivery:
    """A delivery whose span ends when it is settled."""

    def __init__(self, delivery: Delivery, span: Span):
        self.message = delivery.message
        self._delivery, self._span = delivery, span

    def ack(self) -> None:
        self._delivery.ack()
        self._span.end()

    def nack(self) -> None:
        self._delivery.nack()
        self._span.fail("nack")
        self._span.end()


def read(delivery: Delivery) -> Received:
    """Parse a message. Never raises, as `Bus.subscribe` requires."""
    received = _parse(delivery)
    parent = read_traceparent(delivery.message.attributes.get(TRACEPARENT))
    if parent is None:
        return received
    span = tracer().message("process", received.document.get("_id"), parent)
    traced = _TracedDelivery(delivery, span)
    return replace(received, delivery=traced, traceparent=span.traceparent)


def _parse(delivery: Delivery) -> Received:
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
