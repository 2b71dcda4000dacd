"""The consumer between a bus and a store that are played here: what is acked, and when."""

from threading import Event, Thread

import pytest

from billor.audit.store import ID_TAKEN, Refusal, Saved, StoreUnavailable
from billor.events import consumer as consumer_module
from billor.events import outage
from billor.events.consumer import Consumer
from billor.events.event import Message, to_audit_document
from tests.support.bus import FakeDelivery, event_message
from tests.support.worker import wait_until

DRIVER_AND_LOAD = {
    "driver": {"name": "Alex Carter"},
    "load": {"id": 7, "cargoType": "Dry van", "origin": "Dallas, TX", "destination": "Austin, TX"},
}
BAD = Message(b"\xffno event", {"id": "bad", "origin": "elsewhere"})


class FakeStore:
    """A store in memory, which can be away, all of it or only for dead letters."""

    def __init__(self, journal: list[str]):
        self.documents: dict[str, dict] = {}
        self.letters = []
        self.away = False
        self.dead_letters_away = False
        self._journal = journal

    def save(self, documents):
        if self.away:
            raise StoreUnavailable("away")
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
    """What store and deliveries were told to do, in order."""
    return []


@pytest.fixture
def store(journal) -> FakeStore:
    return FakeStore(journal)


@pytest.fixture
def notified() -> list[dict]:
    return []


@pytest.fixture
def consumer(store, notified) -> Consumer:
    return Consumer(store, notified.append)


@pytest.fixture
def deliveries(journal):
    """Make deliveries of these messages."""
    return lambda *messages: [FakeDelivery(message, journal) for message in messages]


def settled(deliveries) -> list[list[str]]:
    return [delivery.settled for delivery in deliveries]


def test_messages_are_acked_once_the_store_has_answered(consumer, store, deliveries, journal):
    batch = deliveries(event_message(), event_message())
    consumer.record(batch)
    assert journal == ["saved 2", "ack", "ack"]
    assert list(store.documents.values()) == [to_audit_document(d.message.data) for d in batch]


def test_everything_is_given_back_while_the_store_is_away(consumer, store, deliveries, journal):
    store.away = True
    with pytest.raises(StoreUnavailable):
        consumer.record(deliveries(event_message(), BAD, event_message()))
    assert journal == ["nack", "nack", "nack"]


def test_what_is_no_event_becomes_a_dead_letter_and_its_neighbours_are_stored(
    consumer, store, deliveries, journal
):
    good, other = event_message(), event_message()
    consumer.record(deliveries(good, BAD, other))
    assert journal == ["buried", "saved 2", "ack", "ack", "ack"]
    assert list(store.documents) == [good.attributes["id"], other.attributes["id"]]
    (letter,) = store.letters
    assert (letter.data, letter.attributes) == (BAD.data, BAD.attributes)
    assert letter.reason.startswith("not JSON")


def test_a_batch_of_nothing_but_rubbish_is_buried(consumer, deliveries, journal):
    consumer.record(deliveries(BAD, BAD))
    assert journal == ["buried", "buried", "ack", "ack"]


def test_nothing_is_acked_if_a_dead_letter_cannot_be_saved(
    consumer, store, notified, deliveries, journal
):
    store.dead_letters_away = True
    assigned = event_message(type="load.assigned", payload=DRIVER_AND_LOAD)
    with pytest.raises(StoreUnavailable):
        consumer.record(deliveries(assigned, BAD))
    assert journal == ["nack", "nack"]

    store.dead_letters_away = False
    consumer.record(deliveries(assigned, BAD))
    assert journal[2:] == ["buried", "saved 1", "ack", "ack"]
    assert len(notified) == 1


def test_a_message_that_finds_a_mistake_of_ours_blocks_nobody(
    consumer, store, deliveries, monkeypatch
):
    good, bad = event_message(), event_message()

    def read(data):
        if data == bad.data:
            raise ZeroDivisionError
        return to_audit_document(data)

    monkeypatch.setattr(consumer_module, "to_audit_document", read)
    batch = deliveries(bad, good)
    consumer.record(batch)
    assert settled(batch) == [["ack"], ["ack"]]
    assert list(store.documents) == [good.attributes["id"]]
    assert [(letter.data, letter.reason) for letter in store.letters] == [
        (bad.data, "could not be read: ZeroDivisionError")
    ]


def test_what_is_stored_already_is_acked(consumer, store, deliveries, journal):
    message = event_message()
    consumer.record(deliveries(message, message))
    consumer.record(deliveries(message))
    assert journal == ["saved 2", "ack", "ack", "saved 1", "ack"]
    assert len(store.documents) == 1
    assert store.letters == []


def test_another_event_with_an_id_that_is_taken_becomes_a_dead_letter(
    consumer, store, deliveries, journal
):
    first = event_message()
    second = event_message(id=first.attributes["id"], loadId=8)
    consumer.record(deliveries(first, second))
    assert journal == ["saved 2", "buried", "ack", "ack"]
    assert store.documents == {first.attributes["id"]: to_audit_document(first.data)}
    (letter,) = store.letters
    assert (letter.data, letter.attributes) == (second.data, second.attributes)
    assert letter.reason == "another document has this id"


def test_only_a_new_assignment_is_told_to_its_driver(consumer, notified, deliveries):
    assigned = event_message(type="load.assigned", payload=DRIVER_AND_LOAD)
    others = [
        event_message(type=type_, payload=DRIVER_AND_LOAD)
        for type_ in ("load.created", "load.completed", "assignment.cancelled")
    ]
    taken = event_message(
        id=others[0].attributes["id"], type="load.assigned", payload=DRIVER_AND_LOAD
    )
    consumer.record(deliveries(assigned, *others))
    consumer.record(deliveries(assigned))
    consumer.record(deliveries(taken))
    assert [document["_id"] for document in notified] == [assigned.attributes["id"]]


def test_a_driver_is_told_though_a_neighbour_cannot_be_buried(
    consumer, store, notified, deliveries
):
    first = event_message()
    consumer.record(deliveries(first))
    assigned = event_message(type="load.assigned", payload=DRIVER_AND_LOAD)
    taken = event_message(id=first.attributes["id"], loadId=8)
    store.dead_letters_away = True
    with pytest.raises(StoreUnavailable):
        consumer.record(deliveries(assigned, taken))
    assert [document["_id"] for document in notified] == [assigned.attributes["id"]]


def test_a_driver_who_cannot_be_told_stops_nothing(store, deliveries, journal):
    def fail(_document):
        raise KeyError("driver")

    batch = deliveries(event_message(type="load.assigned"), event_message(), BAD)
    Consumer(store, fail).record(batch)
    assert journal == ["buried", "saved 2", "ack", "ack", "ack"]


@pytest.mark.parametrize("away", [False, True])
def test_stopping_settles_what_was_taken_and_refuses_the_rest(consumer, store, deliveries, away):
    store.away = away
    taken = deliveries(*(event_message() for _ in range(250)), BAD)
    for delivery in taken:
        consumer.deliver(delivery)
    stop = Event()
    stop.set()
    consumer.run(stop)
    assert settled(taken) == [["nack" if away else "ack"]] * 251

    (late,) = deliveries(event_message())
    consumer.deliver(late)
    assert late.settled == ["nack"]
    assert late.message.attributes["id"] not in store.documents


def test_what_was_given_back_is_stored_once_the_store_is_back(
    consumer, store, deliveries, monkeypatch
):
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 0.2)
    store.away = True
    stop = Event()
    thread = Thread(target=consumer.run, args=[stop], daemon=True)
    thread.start()
    try:
        # The bus brings a message again that was given back.
        message = event_message()
        for _ in range(2):
            (delivery,) = deliveries(message)
            consumer.deliver(delivery)
            wait_until(lambda: delivery.settled)  # noqa: B023 - asked only within this turn
            assert delivery.settled == ["nack"]
        store.away = False
        (delivery,) = deliveries(message)
        consumer.deliver(delivery)
        wait_until(lambda: delivery.settled)
        assert delivery.settled == ["ack"]
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert list(store.documents) == [message.attributes["id"]]


def test_delivering_never_raises_and_never_asks_the_store(consumer, store, deliveries, journal):
    store.away = True
    for delivery in deliveries(BAD, event_message()):
        consumer.deliver(delivery)
    assert journal == []
