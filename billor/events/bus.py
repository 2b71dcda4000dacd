"""The bus that carries events from the relay to the consumer: what each must do."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from billor.events.event import Message


class Delivery(Protocol):
    """One message handed to a subscriber, who must settle it once."""

    message: Message

    def ack(self) -> None:
        """Done: never deliver it again."""

    def nack(self) -> None:
        """Not done: deliver it again."""


class Bus(Protocol):
    """Carries messages at least once, in no certain order."""

    def prepare_topic(self) -> None:
        """Make sure that there is a topic. Raises if it cannot be reached."""

    def prepare(self) -> bool:
        """Make topic and subscription if needed; return whether the subscription is new.

        What was published before a new one does not come any more. Raises `ConfigError` if
        the subscription is to another topic, and anything else if the bus is unavailable.
        """

    def publish(self, message: Message) -> Future:
        """Send a message. The future is done when it cannot be lost any more, or has the error."""

    def subscribe(
        self, on_delivery: Callable[[Delivery], None], on_failure: Callable[[Exception], None]
    ) -> None:
        """Have every message handed to `on_delivery`, from threads of the bus.

        It must not raise. `on_failure` is called once if no more messages will come.
        """

    def unsubscribe(self) -> None:
        """Stop deliveries; those not settled are delivered again, to whoever subscribes next."""

    def close(self) -> None:
        """Let go of all connections, after sending what was published."""
