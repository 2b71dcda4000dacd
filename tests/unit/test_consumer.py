"""The consumer between a fake bus and a fake store: what is acked, and when."""

import random
from contextlib import suppress
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from billor.audit.store import ID_TAKEN, Refusal, Saved, StoreUnavailable
from billor.events.event import Message, to_audit_document
from billor.worker import consumer as consumer_module
from billor.worker import outage, received
from billor.worker.consumer import LEAST_FAILURES, Consumer
from billor.worker.received import read
from billor.worker.stage import BATCH_SIZE
from tests.support.bus import FakeDelivery, event_message
from tests.support.worker import wait_until

BAD = Message(b"\xffno event", {"id": "bad", "origin": "elsewhere"})


class FakeStore:
    """A store in memory that can be unavailable, as a whole or only for dead letters.

    It can also answer a ping but fail to write: anything, or batches with a `fatal` id.
    """

    def __init__(self, journal: list[str]):
        self.documents: dict[str, dict] = {}
        self.letters = []
        self.away = False
        self.dead_letters_away = False
        self.writes_nothing = False
        self.fatal: set[str] = set()
        self.saves = 0
        self._journal = journal

    def ping(self):
        if self.away:
            raise StoreUnavailable("away")

    def save(self, documents):
        self.saves += 1
        self.ping()
        if self.writes_nothing or not self.fatal.isdisjoint(d["_id"] for d in documents):
            raise StoreUnavailable("500 badarith")
        new, refused = [], []
        for document in documents:
            stored = self.documents.setdefault(document["_id"], document)
            if stored is document:
                new.append(document)
            elif stored != document:
                refused.append(Refusal(document, ID_TAKEN))
        self._journal.append(f"saved {len(documents)}")
        return Saved(new, refused)

    def bury(self, letter):
        if self.away or self.dead_letters_away:
            raise StoreUnavailable("away")
        self.letters.append(letter)
        self._journal.append("buried")


@pytest.fixture
def journal() -> list[str]:
    """The calls of the store and the deliveries, in order."""
    return []


@pytest.fixture
def store(journal) -> FakeStore:
    return FakeStore(journal)


@pytest.fixture
def consumer(store) -> Consumer:
    return Consumer(store)


def handle(consumer, deliveries) -> None:
    consumer.handle([read(delivery) for delivery in deliveries])


@pytest.fixture
def deliveries(journal):
    """Make deliveries of these messages."""
    return lambda *messages: [FakeDelivery(message, journal) for message in messages]


def settled(deliveries) -> list[list[str]]:
    return [delivery.settled for delivery in deliveries]


def test_messages_are_acked_once_the_store_has_answered(consumer, store, deliveries, journal):
    batch = deliveries(event_message(), event_message())
    handle(consumer, batch)
    assert journal == ["saved 2", "ack", "ack"]
    assert list(store.documents.values()) == [to_audit_document(d.message.data) for d in batch]


def test_every_message_is_nacked_while_the_store_is_unavailable(
    consumer, store, deliveries, journal
):
    store.away = True
    with pytest.raises(StoreUnavailable):
        handle(consumer, deliveries(event_message(), BAD, event_message()))
    assert journal == ["nack", "nack", "nack"]


def test_a_malformed_message_becomes_a_dead_letter_and_others_are_stored(
    consumer, store, deliveries, journal
):
    good, other = event_message(), event_message()
    handle(consumer, deliveries(good, BAD, other))
    assert journal == ["saved 2", "buried", "ack", "ack", "ack"]
    assert list(store.documents) == [good.attributes["id"], other.attributes["id"]]
    (letter,) = store.letters
    assert (letter.data, letter.attributes) == (BAD.data, BAD.attributes)
    assert letter.reason.startswith("not JSON")


def test_a_batch_of_only_malformed_messages_becomes_dead_letters(consumer, deliveries, journal):
    handle(consumer, deliveries(BAD, BAD))
    assert journal == ["buried", "buried", "ack", "ack"]


def test_a_dead_letter_that_cannot_be_stored_is_nacked_alone(consumer, store, deliveries, journal):
    store.dead_letters_away = True
    batch = deliveries(BAD, event_message())
    with pytest.raises(StoreUnavailable):
        handle(consumer, batch)
    assert settled(batch) == [["nack"], ["ack"]]

    store.dead_letters_away = False
    journal.clear()
    handle(consumer, deliveries(BAD))
    assert journal == ["buried", "ack"]


def test_a_message_that_triggers_a_bug_becomes_a_dead_letter(
    consumer, store, deliveries, monkeypatch
):
    good, bad = event_message(), event_message()

    def to_document(data):
        if data == bad.data:
            raise ZeroDivisionError
        return to_audit_document(data)

    monkeypatch.setattr(received, "to_audit_document", to_document)
    batch = deliveries(bad, good)
    handle(consumer, batch)
    assert settled(batch) == [["ack"], ["ack"]]
    assert list(store.documents) == [good.attributes["id"]]
    assert [(letter.data, letter.reason) for letter in store.letters] == [
        (bad.data, "could not be read: ZeroDivisionError")
    ]


def test_a_message_stored_already_is_acked(consumer, store, deliveries, journal):
    message = event_message()
    handle(consumer, deliveries(message, message))
    handle(consumer, deliveries(message))
    assert journal == ["saved 2", "ack", "ack", "saved 1", "ack"]
    assert len(store.documents) == 1
    assert store.letters == []


def test_another_event_with_a_taken_id_becomes_a_dead_letter(consumer, store, deliveries, journal):
    first = event_message()
    second = event_message(id=first.attributes["id"], loadId=8)
    handle(consumer, deliveries(first, second))
    assert journal == ["saved 2", "buried", "ack", "ack"]
    assert store.documents == {first.attributes["id"]: to_audit_document(first.data)}
    (letter,) = store.letters
    assert (letter.data, letter.attributes) == (second.data, second.attributes)
    assert letter.reason == "another document has this id"


@pytest.fixture
def clock(monkeypatch):
    """A clock that hardly moves unless the test moves it, and polling without waits."""

    class Clock:
        now = 1.0

        def __call__(self):
            self.now += 0.001
            return self.now

    clock = Clock()
    monkeypatch.setattr(consumer_module, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(consumer_module, "POLL_SECONDS", 0)
    return clock


@pytest.fixture
def handle_again(consumer, clock, deliveries):
    """Redeliver a message a second after each nack.

    Return how it was settled in the end, and how often it was delivered.
    """

    def handle_again(message: Message, times: int = 60) -> tuple[str, int]:
        for time in range(1, times + 1):
            clock.now += 1
            batch = deliveries(message)
            with suppress(StoreUnavailable):
                handle(consumer, batch)
            if batch[0].settled == ["ack"]:
                return "ack", time
            assert batch[0].settled == ["nack"]
        return "nack", times

    return handle_again


@pytest.mark.parametrize("culprits", [{0}, {42}, {99}, {3, 4, 50, 97}])
def test_a_message_that_keeps_failing_alone_becomes_a_dead_letter(
    consumer, store, deliveries, clock, handle_again, culprits
):
    messages = [event_message() for _ in range(100)]
    bad = [messages[number] for number in culprits]
    store.fatal = {message.attributes["id"] for message in bad}
    batch = deliveries(*messages)
    handle(consumer, batch)
    assert [n for n, d in enumerate(batch) if d.settled != ["ack"]] == sorted(culprits)
    assert len(store.documents) == 100 - len(culprits)
    assert store.saves < 16 * len(culprits), "a batch is halved, not tried one by one"
    assert store.letters == [], "one failure may be chance"

    started = clock.now
    for message in bad:
        settled_by, times = handle_again(message)
        assert settled_by == "ack"
        assert times >= LEAST_FAILURES - 1
        assert clock.now - started >= consumer_module.PATIENCE_SECONDS - 1
    assert [(letter.data, letter.reason) for letter in store.letters] == [
        (message.data, "500 badarith") for message in bad
    ]


def test_a_message_that_failed_before_is_saved_separately(consumer, store, deliveries, clock):
    bad, good = event_message(), [event_message() for _ in range(50)]
    store.fatal = {bad.attributes["id"]}
    handle(consumer, deliveries(bad, good[0]))
    store.saves = 0
    handle(consumer, deliveries(*good[:25], bad, *good[25:]))
    assert store.saves == 2
    assert len(store.documents) == 50


def test_a_dead_letter_takes_several_failures_however_long_they_last(
    consumer, store, deliveries, clock
):
    bad = event_message()
    store.fatal = {bad.attributes["id"]}
    for time in range(1, LEAST_FAILURES + 1):
        assert store.letters == []
        clock.now += 100
        handle(consumer, deliveries(bad, event_message()))
        assert len(store.letters) == (time == LEAST_FAILURES)


def test_a_message_stored_after_failures_is_no_longer_suspected(
    consumer, store, deliveries, clock, handle_again
):
    unlucky = event_message()
    store.fatal = {unlucky.attributes["id"]}
    handle(consumer, deliveries(unlucky, event_message()))
    assert handle_again(unlucky, times=8) == ("nack", 8)
    store.fatal = set()
    assert handle_again(unlucky) == ("ack", 1)
    assert store.letters == []


def test_a_store_that_writes_nothing_is_unavailable_and_causes_no_dead_letters(
    consumer, store, deliveries, handle_again
):
    """Its disk may be full, though it answers a ping and could store dead letters."""
    store.writes_nothing = True
    messages = [event_message() for _ in range(10)]
    batch = deliveries(*messages)
    with pytest.raises(StoreUnavailable, match="badarith"):
        handle(consumer, batch)
    assert settled(batch) == [["nack"]] * 10
    for message in messages:
        assert handle_again(message) == ("nack", 60)
    assert store.letters == []

    store.writes_nothing = False
    handle(consumer, deliveries(*messages))
    assert len(store.documents) == 10


def test_an_outage_resets_the_failures_counted_before_it(
    consumer, store, deliveries, clock, handle_again
):
    unlucky, other = event_message(), event_message()
    store.fatal = {unlucky.attributes["id"]}
    handle(consumer, deliveries(unlucky, other))
    assert handle_again(unlucky, times=8) == ("nack", 8)
    store.away = True
    assert handle_again(unlucky) == ("nack", 60)
    store.away = False
    handle(consumer, deliveries(unlucky, event_message()))
    assert handle_again(unlucky, times=8) == ("nack", 8)
    assert store.letters == []


def test_random_store_failures_cause_no_dead_letters(consumer, store, clock, deliveries):
    chance = random.Random(7)  # noqa: S311 - not for secrets
    save = store.save

    def fail_at_random(documents):
        if chance.random() < 0.5:
            raise StoreUnavailable("500")
        return save(documents)

    store.save = fail_at_random
    waiting = [event_message() for _ in range(500)]
    while waiting:
        clock.now += 0.2
        batch = deliveries(*waiting[:100])
        with suppress(StoreUnavailable):
            handle(consumer, batch)
        again = [d.message for d in batch if d.settled == ["nack"]]
        waiting = waiting[100:] + again
    assert len(store.documents) == 500
    assert store.letters == []


def run_and_stop_while_saving(consumer, store, monkeypatch) -> None:
    """Shut the consumer down while the store saves its first batch."""
    stop, save = Event(), store.save

    def stop_and_save(documents):
        stop.set()
        return save(documents)

    monkeypatch.setattr(store, "save", stop_and_save)
    consumer.run(stop)


def test_a_failed_batch_is_not_divided_during_shutdown(consumer, store, deliveries, monkeypatch):
    store.fatal = {(bad := event_message()).attributes["id"]}
    taken = deliveries(*(event_message() for _ in range(9)), bad)
    for delivery in taken:
        consumer.deliver(read(delivery))
    run_and_stop_while_saving(consumer, store, monkeypatch)
    assert settled(taken) == [["nack"]] * 10
    assert store.saves == 1


def test_the_number_of_remembered_suspects_is_bounded(
    consumer, store, deliveries, clock, monkeypatch
):
    monkeypatch.setattr(consumer_module, "MOST_SUSPECTS", 10)
    store.writes_nothing = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            handle(consumer, deliveries(*(event_message() for _ in range(10))))
    assert len(consumer._suspects) <= 20


def test_shutdown_finishes_the_current_batch_and_nacks_the_rest(
    consumer, store, deliveries, monkeypatch
):
    taken = deliveries(*(event_message() for _ in range(BATCH_SIZE + 150)))
    for delivery in taken:
        consumer.deliver(read(delivery))
    run_and_stop_while_saving(consumer, store, monkeypatch)
    assert settled(taken) == [["ack"]] * BATCH_SIZE + [["nack"]] * 150

    (late,) = deliveries(event_message())
    consumer.deliver(read(late))
    assert late.settled == ["nack"]
    assert late.message.attributes["id"] not in store.documents


def test_nacked_messages_are_stored_once_the_store_recovers(
    consumer, store, deliveries, monkeypatch
):
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 0.2)
    store.away = True
    stop = Event()
    thread = Thread(target=consumer.run, args=[stop], daemon=True)
    thread.start()
    try:
        # The bus redelivers a nacked message.
        message = event_message()
        for _ in range(2):
            (delivery,) = deliveries(message)
            consumer.deliver(read(delivery))
            wait_until(lambda: delivery.settled)  # noqa: B023 - asked only within this turn
            assert delivery.settled == ["nack"]
        store.away = False
        (delivery,) = deliveries(message)
        consumer.deliver(read(delivery))
        wait_until(lambda: delivery.settled)
        assert delivery.settled == ["ack"]
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert list(store.documents) == [message.attributes["id"]]


def test_delivering_never_raises_and_never_calls_the_store(consumer, store, deliveries, journal):
    store.away = True
    for delivery in deliveries(BAD, event_message()):
        consumer.deliver(read(delivery))
    assert journal == []
