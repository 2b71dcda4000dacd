"""Messages, and a test double of buses."""

import json
import uuid
from collections.abc import Sequence

from uuid_utils.compat import uuid7

from billor.events.bus import Bus, BusUnavailable, Delivery
from billor.events.event import Message
from tests.support.worker import wait_until


def event_body(**changes) -> dict:
    """An event as the bus carries it, with an id of its own."""
    return {
        "id": str(uuid7()),
        "type": "load.created",
        "driverId": None,
        "loadId": 7,
        "assignmentId": None,
        "payload": {"load": {"id": 7}},
        "timestamp": "2026-03-01T12:00:00.000000Z",
        "requestId": "a-request",
    } | changes


def event_message(**changes) -> Message:
    body = event_body(**changes)
    return Message(json.dumps(body).encode(), {"id": body["id"], "type": body["type"]})


def own_topic() -> dict[str, str]:
    """Settings with a topic and a subscription of their own."""
    name = f"test-{uuid.uuid4()}"
    return {"PUBSUB_TOPIC": name, "PUBSUB_SUBSCRIPTION": f"{name}-audit"}


class FakeBus:
    """A bus that delivers what was published, and nacked messages again. It fails while `away`."""

    def __init__(self) -> None:
        self.away = False
        self.is_new = False
        self.published_ids: list[str] = []
        self.waiting: list[Message] = []
        self.acked: list[Message] = []
        self.nacked: list[Message] = []

    def prepare(self) -> bool:
        self._answer()
        return self.is_new

    def publish(self, messages: Sequence[Message]) -> None:
        self._answer()
        self.published_ids += [message.attributes["id"] for message in messages]
        self.waiting += messages

    def pull(self, max_messages: int) -> list[Delivery]:
        self._answer()
        pulled, self.waiting = self.waiting[:max_messages], self.waiting[max_messages:]
        return [Delivery(message) for message in pulled]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        self.acked += [each.message for each in deliveries]

    def nack(self, deliveries: Sequence[Delivery]) -> None:
        self.nacked += [each.message for each in deliveries]
        self.waiting += [each.message for each in deliveries]

    def close(self) -> None:
        self.away = True

    def _answer(self) -> None:
        if self.away:
            raise BusUnavailable("refused")


def pull_all_of(bus: Bus, *messages: Message) -> list[Message]:
    """Pull and ack until each of these was delivered; return all that was delivered."""
    pulled: list[Message] = []
    wanted = {message.data for message in messages}

    def have_all() -> bool:
        deliveries = bus.pull(100)
        if deliveries:
            bus.ack(deliveries)
        pulled.extend(each.message for each in deliveries)
        return wanted <= {message.data for message in pulled}

    wait_until(have_all)
    return pulled
