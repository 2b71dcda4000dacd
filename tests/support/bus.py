"""Messages, and test doubles of publishers, buses and subscribers."""

import json
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event, Thread

from uuid_utils.compat import uuid7

from billor.events.bus import Delivery, Outcome
from billor.events.event import Message

TAKE_SECONDS = 30
RETRY_SECONDS = 0.05


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
    """A bus for the relay that accepts messages at once.

    It refuses all while it is `away`, and those whose ids are in `refused`.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.refused: set[str] = set()
        self.away = False

    @property
    def taken(self) -> list[str]:
        """The ids of the messages that it accepted."""
        return [message.attributes["id"] for message in self.messages]

    def publish(self, messages: Sequence[Message]) -> Future[Outcome]:
        published: Future[Outcome] = Future()
        if self.away:
            published.set_exception(ConnectionError("refused"))
        else:
            published.set_result([self._accept(message) for message in messages])
        return published

    def _accept(self, message: Message) -> Exception | None:
        if message.attributes["id"] in self.refused:
            return ConnectionError("refused")
        self.messages.append(message)
        return None


class FakeDelivery:
    """A message for the consumer that records in a journal how it was settled."""

    def __init__(self, message: Message, journal: list[str] | None = None):
        self.message = message
        self.settled: list[str] = []
        self._journal = [] if journal is None else journal

    def ack(self) -> None:
        self._settle("ack")

    def nack(self) -> None:
        self._settle("nack")

    def _settle(self, how: str) -> None:
        self.settled.append(how)
        self._journal.append(how)


class Inbox:
    """A subscriber: pass `deliver` to a bus, then take and settle the deliveries."""

    def __init__(self) -> None:
        self._deliveries: SimpleQueue[Delivery] = SimpleQueue()
        self.deliver = self._deliveries.put

    def take(self) -> Delivery:
        try:
            return self._deliveries.get(timeout=TAKE_SECONDS)
        except Empty:
            raise AssertionError(f"nothing was delivered within {TAKE_SECONDS} s") from None

    def take_all_of(self, *messages: Message) -> list[bytes]:
        """Take and ack until each of these was delivered; return the data of all deliveries."""
        taken: list[bytes] = []
        missing = {message.data for message in messages}
        while missing:
            delivery = self.take()
            delivery.ack()
            taken.append(delivery.message.data)
            missing.discard(delivery.message.data)
        return taken

    @property
    def is_empty(self) -> bool:
        return self._deliveries.empty()


@contextmanager
def publishing(bus, *messages: Message) -> Iterator[None]:
    """Publish in a thread with retries, as the relay does.

    All messages must be published by the end of the block.
    """
    stop = Event()
    pending = list(messages)

    def publish() -> None:
        while pending and not stop.is_set():
            published = bus.publish(pending[:])
            wait_for([published], timeout=TAKE_SECONDS)
            if published.done() and not published.exception():
                outcome = zip(pending, published.result(), strict=True)
                pending[:] = [message for message, refusal in outcome if refusal]
            if pending:
                stop.wait(RETRY_SECONDS)

    thread = Thread(target=publish, name="publishing", daemon=True)
    thread.start()
    try:
        yield
        thread.join(TAKE_SECONDS)
    finally:
        stop.set()
        thread.join(TAKE_SECONDS)
    assert not pending, f"{len(pending)} messages were not taken"
