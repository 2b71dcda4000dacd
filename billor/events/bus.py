"""The protocol of buses, which carry events from the relay to the consumer, and the simple one."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Protocol

from billor.config import Config
from billor.events.event import Message

MAX_BATCHES = 2  # publishing waits while the queue of the in-process bus has this many
PUT_SECONDS = 4
PULL_SECONDS = 1


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


class InProcessBus:
    """The bus within one worker. What a killed process loses, the next one republishes."""

    def __init__(self) -> None:
        self._batches: Queue[list[Delivery]] = Queue(MAX_BATCHES)
        self._nacked: list[Delivery] = []
        self._is_new = True

    def prepare(self) -> bool:
        is_new, self._is_new = self._is_new, False
        return is_new

    def publish(self, messages: Sequence[Message]) -> None:
        try:
            self._batches.put([Delivery(message) for message in messages], timeout=PUT_SECONDS)
        except Full:
            raise BusUnavailable("the consumer does not take messages") from None

    def pull(self, max_messages: int) -> list[Delivery]:
        batch, self._nacked = self._nacked, []
        with suppress(Empty):
            batch += self._batches.get(block=not batch, timeout=PULL_SECONDS)
        return batch

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing: a message is in the queue until it is pulled."""

    def nack(self, deliveries: Sequence[Delivery]) -> None:
        self._nacked += deliveries

    def close(self) -> None:
        """Do nothing: there is no connection."""


def connect_bus(config: Config) -> Bus:
    """Return the bus on Pub/Sub or its emulator if a project is set, else the in-process bus."""
    if config.pubsub_project_id is None:
        return InProcessBus()
    # Imported here, so that only a worker that uses it loads gRPC.
    from billor.events.pubsub import PubSubBus

    return PubSubBus(config)
