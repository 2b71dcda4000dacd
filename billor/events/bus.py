"""The protocol of buses, which carry events from the relay to the consumer."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from billor.events.event import Message


class Delivery(Protocol):
    """A message delivered to a subscriber, which must ack or nack it once."""

    message: Message

    def ack(self) -> None:
        """Acknowledge the message, so that it is not redelivered."""

    def nack(self) -> None:
        """Reject the message, so that it is redelivered."""


# For each message of a batch, why the bus refused it, or None if it accepted it.
Outcome = Sequence[Exception | None]


class Bus(Protocol):
    """Delivers messages at least once, in no guaranteed order."""

    def prepare_topic(self) -> None:
        """Create the topic if missing. Raises if the bus is unavailable."""

    def prepare(self) -> bool:
        """Create topic and subscription if missing; return whether the subscription is new.

        A new one does not get messages published before. Raises `ConfigError` if the subscription
        belongs to another topic, and any other exception if the bus is unavailable.
        """

    def ping(self) -> None:
        """Return if topic and subscription are there. Raises what the bus's client raises."""

    def delete_subscription(self) -> None:
        """Delete the subscription with all its messages, if there is one.

        The next `prepare` makes a new one. Raises what the bus's client raises.
        """

    def publish(self, messages: Sequence[Message]) -> Future[Outcome]:
        """Publish messages. The future resolves when the bus has accepted or refused each.

        If it fails, none counts as accepted.
        """

    def subscribe(
        self, on_delivery: Callable[[Delivery], None], on_failure: Callable[[Exception], None]
    ) -> None:
        """Call `on_delivery` with every message, from threads of the bus.

        It must not raise. `on_failure` is called once if deliveries end for good.
        """

    def unsubscribe(self) -> None:
        """Stop deliveries. Unsettled messages are redelivered to the next subscriber."""

    def close(self) -> None:
        """Send published messages, and close all connections."""
