"""The in-process bus: publishing completes when the consumer has recorded the event."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock

from billor.events.bus import Delivery, Outcome
from billor.events.event import Message


class NotTaken(Exception):
    """There is no subscriber, or it unsubscribed or rejected the message."""


class _Batch:
    """The messages of one publication, which resolves once all of them are settled."""

    def __init__(self, size: int):
        self.published: Future[Outcome] = Future()
        self._lock = Lock()
        self._outcome: list[Exception | None] = [None] * size
        self._unsettled = set(range(size))

    def settle(self, number: int, error: Exception | None) -> None:
        """Settle a message, unless it is settled already."""
        with self._lock:
            if number not in self._unsettled:
                return
            self._unsettled.discard(number)
            self._outcome[number] = error
            is_complete = not self._unsettled
        if is_complete:
            self.published.set_result(self._outcome)

    def refuse(self, error: Exception) -> None:
        """Settle all other messages."""
        for number in range(len(self._outcome)):
            self.settle(number, error)


class _Delivery:
    def __init__(self, message: Message, settle: Callable[[Exception | None], None]):
        self.message = message
        self._settle = settle

    def ack(self) -> None:
        self._settle(None)

    def nack(self) -> None:
        self._settle(NotTaken("the consumer did not take the message"))


class InProcessBus:
    """A bus without storage.

    An event that was not recorded stays in the outbox, which redelivers it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._on_delivery: Callable[[Delivery], None] | None = None
        self._unsettled: set[_Batch] = set()

    def prepare_topic(self) -> None:
        """Do nothing: there is no topic."""

    def prepare(self) -> bool:
        """Do nothing: no event counts as published before it is recorded."""
        return False

    def ping(self) -> None:
        """Do nothing: the bus is in this process."""

    def delete_subscription(self) -> None:
        """Do nothing: messages are nowhere but in the outbox."""

    def publish(self, messages: Sequence[Message]) -> Future[Outcome]:
        batch = _Batch(len(messages))
        with self._lock:
            on_delivery = self._on_delivery
            if on_delivery is not None:
                self._unsettled.add(batch)
        if on_delivery is None:
            batch.refuse(NotTaken("the consumer is not running"))
            return batch.published
        batch.published.add_done_callback(lambda _: self._unsettled.discard(batch))
        for number, message in enumerate(messages):
            on_delivery(_Delivery(message, partial(batch.settle, number)))
        return batch.published

    def subscribe(
        self, on_delivery: Callable[[Delivery], None], on_failure: Callable[[Exception], None]
    ) -> None:
        with self._lock:
            self._on_delivery = on_delivery

    def unsubscribe(self) -> None:
        with self._lock:
            self._on_delivery = None
            unsettled = list(self._unsettled)
        for batch in unsettled:
            batch.refuse(NotTaken("the consumer stopped"))

    def close(self) -> None:
        self.unsubscribe()
