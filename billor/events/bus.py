"""The protocol of buses, which carry events from the relay to the consumer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from billor.config import Config
from billor.events.event import Message


class BusUnavailable(Exception):
    """The bus is away or refused a call, which may have had its effect nonetheless."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """A message delivered to a consumer, which must ack or nack it."""

    message: Message
    ack_id: str = ""


class Bus(Protocol):
    """Delivers messages at least once, in no guaranteed order.

    Every method but `close` may raise `BusUnavailable`.
    """

    def prepare(self) -> bool:
        """Create topic and subscription if missing; return whether the subscription is new.

        A new one does not get what was published before. Raises `ConfigError` if the subscription
        belongs to another topic.
        """

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages, and return when the bus has accepted all of them."""

    def pull(self, max_messages: int) -> list[Delivery]:
        """Return messages as soon as there are any, or none after a second or two."""

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge messages, so that they are not redelivered."""

    def nack(self, deliveries: Sequence[Delivery]) -> None:
        """Have messages redelivered at once."""

    def close(self) -> None:
        """Close all connections. What was not acked is redelivered to another consumer."""


def connect_bus(config: Config) -> Bus:
    """Return the bus on Pub/Sub or its emulator if a project is set, else the in-process bus."""
    # Imported here, so that only a worker that uses it loads gRPC.
    if config.pubsub_project_id is None:
        from billor.events.inprocess import InProcessBus

        return InProcessBus()
    from billor.events.pubsub import PubSubBus

    return PubSubBus(config)
