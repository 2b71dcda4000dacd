"""The in-process bus: publishing completes when the consumer has recorded the event."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from threading import Lock

from billor.events.bus import Delivery
from billor.events.event import Message


class NotTaken(Exception):
    """There is no subscriber, or it unsubscribed or rejected the message."""


def _settle(published: Future, error: Exception | None) -> None:
    with suppress(InvalidStateError):  # the consumer or `unsubscribe` was first
        if error:
            published.set_exception(error)
        else:
            published.set_result(None)


class _Delivery:
    def __init__(self, message: Message, published: Future):
        self.message = message
        self._published = published

    def ack(self) -> None:
        _settle(self._published, None)

    def nack(self) -> None:
        _settle(self._published, NotTaken("the consumer did not take the message"))


class InProcessBus:
    """A bus without storage.

    An event that was not recorded stays in the outbox, which redelivers it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._on_delivery: Callable[[Delivery], None] | None = None
        self._unsettled: set[Future] = set()

    def prepare_topic(self) -> None:
        """Do nothing: there is no topic."""

    def prepare(self) -> bool:
        """Do nothing: no event counts as published before it is recorded."""
        return False

    def publish(self, message: Message) -> Future:
        published: Future = Future()
        with self._lock:
            on_delivery = self._on_delivery
            if on_delivery is not None:
                self._unsettled.add(published)
        if on_delivery is None:
            published.set_exception(NotTaken("the consumer is not running"))
            return published
        published.add_done_callback(self._unsettled.discard)
        on_delivery(_Delivery(message, published))
        return published

    def subscribe(
        self, on_delivery: Callable[[Delivery], None], on_failure: Callable[[Exception], None]
    ) -> None:
        with self._lock:
            self._on_delivery = on_delivery

    def unsubscribe(self) -> None:
        with self._lock:
            self._on_delivery = None
            unsettled = list(self._unsettled)
        for published in unsettled:
            _settle(published, NotTaken("the consumer stopped"))

    def close(self) -> None:
        self.unsubscribe()
