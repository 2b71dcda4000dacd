"""The consumer on a real PostgreSQL: what is recorded, acked, given up, and who is notified."""

import json
from collections.abc import Sequence
from unittest.mock import create_autospec

import pytest
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from billor.assignments.service import assign, change_status, comment_on_own_load, reopen
from billor.audit.sqlite import SqliteStore
from billor.audit.store import AuditFilter, StoreUnavailable
from billor.drivers.service import create_driver
from billor.events.event import Message, to_document
from billor.loads.service import comment, create_loads, update_load
from billor.models import DeadLetter, LoadEvent, db
from billor.worker import notify
from billor.worker.consumer import MAX_FAILURES, Consumer
from billor.worker.notify import notify_drivers
from billor.worker.relay import publish_batch
from tests.support.bus import FakeBus, event_message

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}

pytestmark = pytest.mark.usefixtures("context")


class PickyStore(SqliteStore):
    """Fails for some documents, or for all, while it answers a ping unless it is `away`."""

    def __init__(self, path):
        super().__init__(path)
        self.failing: set[str] = set()
        self.fails_always = False
        self.away = False

    def ping(self) -> None:
        if self.away:
            raise StoreUnavailable("away")

    def save(self, documents: Sequence[dict]) -> None:
        self.ping()
        if self.fails_always or self.failing & {document["_id"] for document in documents}:
            raise StoreUnavailable("not this one")
        super().save(documents)

    def ids(self) -> list[str]:
        return sorted(document["_id"] for document in self.find(AuditFilter(), 999).documents)


def reasons() -> list[str]:
    """Why there are dead letters."""
    return list(db.session.scalars(select(DeadLetter.reason)))


@pytest.fixture
def store(tmp_path) -> PickyStore:
    return PickyStore(tmp_path / "audit.sqlite3")


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def consumer(bus, store) -> Consumer:
    return Consumer(bus, store)


def publish(bus: FakeBus, count: int = 1) -> list[str]:
    """Publish new events; return their ids."""
    create_loads([LOAD] * count)
    publish_batch(bus)
    return sorted(message.attributes["id"] for message in bus.waiting)


def unrecorded() -> int:
    count = text("SELECT count(*) FROM load_events WHERE recorded_at IS NULL")
    found = db.session.scalar(count)
    db.session.rollback()
    return found


def test_a_batch_is_stored_marked_and_acked_also_when_it_comes_again(bus, store, consumer, counted):
    ids = publish(bus, 3)
    deliveries = bus.pull(10)
    consumer.handle([*deliveries, *deliveries])
    assert store.ids() == ids
    assert unrecorded() == 0
    assert (len(bus.acked), bus.nacked) == (6, [])
    event = db.session.scalars(select(LoadEvent).limit(1)).one()
    assert to_document(event) in store.find(AuditFilter(), 9).documents
    consumer.handle(deliveries)
    assert (store.ids(), len(bus.acked)) == (ids, 9)
    assert counted("billor_event_lag_seconds_count", step="recorded") == 3
    assert counted("billor_redeliveries_total") == 3


def test_the_store_comes_before_the_ack(bus):
    store = create_autospec(SqliteStore, instance=True)
    store.save.side_effect = lambda documents: bus.acked and pytest.fail("acked before stored")
    publish(bus)
    Consumer(bus, store).handle(bus.pull(1))
    store.save.assert_called_once()
    assert len(bus.acked) == 1


@pytest.mark.parametrize("fault", ["away", "fails_always"])
def test_while_the_store_records_nothing_all_is_nacked(bus, store, consumer, counted, fault):
    publish(bus, 2)
    setattr(store, fault, True)
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(StoreUnavailable):
            consumer.handle(bus.pull(10))
    assert (bus.acked, len(bus.waiting), unrecorded()) == ([], 2, 2)
    assert counted("billor_nacks_total") == 2 * 2 * MAX_FAILURES
    setattr(store, fault, False)
    consumer.handle(bus.pull(10))
    assert (len(store.ids()), reasons(), unrecorded()) == (2, [], 0)


def test_a_message_that_fails_alone_is_saved_while_others_are_recorded(
    bus, store, consumer, counted
):
    failing, *others = publish(bus, 3)
    store.failing = {failing}
    for _ in range(MAX_FAILURES):
        assert reasons() == []
        consumer.handle(bus.pull(10))
        others += [id_ for id_ in publish(bus) if id_ != failing]
    assert reasons() == ["StoreUnavailable: not this one"]
    consumer.handle(bus.pull(10))
    assert store.ids() == sorted(others)
    assert unrecorded() == 0, "a dead letter is not published again"
    assert counted("billor_dead_letters_total") == 1


NOT_EVENTS = {
    "nothing": b"",
    "no UTF-8": b"\xff\xfe",
    "nested deeply": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "not a number": b'{"id": NaN}',
    "no id": b'{"type": "load.created"}',
    "an unknown type": event_message(type="load.eaten" * 999).data,
    "an integer that no double holds": event_message(payload={"n": 10**400}).data,
    "half a character": event_message(payload={"n": "\ud800"}).data,
}


FORGED = (
    {"payload": {"user": {"name": "Somebody else"}}},
    {"type": "load.completed"},
    {"driverId": 7},
    {"loadId": "1"},
    {"more": None},
    {"userId": 1},
)
"""What differs from an event of the outbox."""


def test_messages_that_are_not_of_the_outbox_become_dead_letters(bus, store, consumer):
    (id_,) = publish(bus)
    real = json.loads(bus.waiting[0].data)
    document = to_document(db.session.scalars(select(LoadEvent)).one())
    with db.engine.connect() as other:  # which does not commit
        copy = (
            "INSERT INTO load_events (id, type, load_id, payload)"
            " SELECT gen_random_uuid(), type, load_id, payload FROM load_events RETURNING id"
        )
        uncommitted = other.scalar(text(copy))
        bodies = [real | each for each in (*FORGED, {"id": str(uncommitted)})]
        twice = json.dumps(real)[:-1] + ', "payload": {}}'
        forged = [*NOT_EVENTS.values(), *(json.dumps(each).encode() for each in bodies)]
        forged += [twice.encode(), b"\xff" + json.dumps(real).encode()]
        for data in forged:
            bus.waiting.append(Message(data, {"origin": "elsewhere"}))
        consumer.handle(bus.pull(99))
    assert store.find(AuditFilter(), 9).documents == [document]
    assert store.ids() == [id_]
    assert bus.nacked == []
    letters = db.session.scalars(select(DeadLetter)).all()
    assert sorted(letter.data for letter in letters) == sorted(forged)
    assert {letter.attributes for letter in letters} == {'{"origin": "elsewhere"}'}
    assert all("not an event" in reason and len(reason) <= 500 for reason in reasons())


@pytest.mark.parametrize("claimed", [None, "another"])
def test_a_message_of_an_event_puts_only_what_the_outbox_has_into_the_trail(
    bus, store, consumer, claimed
):
    """Its attributes, and an `_id` besides the `id`, are anybody's."""
    publish(bus)
    real, event = bus.waiting.pop(), db.session.scalars(select(LoadEvent)).one()
    body = json.loads(real.data) | {"_id": str(uuid7()) if claimed == "another" else claimed}
    for data in (json.dumps(body).encode(), real.data):
        bus.waiting.append(Message(data, {"id": str(uuid7()), "type": "load.eaten", "": "more"}))
    consumer.handle(bus.pull(99))
    assert store.find(AuditFilter(), 9).documents == [to_document(event)]
    assert (bus.nacked, unrecorded()) == ([], 0)


@pytest.fixture
def told(caplog, monkeypatch):
    """What drivers are told when the time for an undo has passed."""

    def tell() -> list[str]:
        monkeypatch.setattr(notify, "UNDO_SECONDS", 0)
        caplog.clear()
        notify_drivers()
        return [message for message in caplog.messages if message.startswith("To ")]

    return tell


TOLD = "To Alex Carter: load.assigned, load 1, Dry van, from Dallas, TX to Atlanta, GA."


def test_a_driver_hears_of_changes_and_of_nothing_that_was_undone(app, told, caplog, monkeypatch):
    caplog.set_level("INFO")
    driver = create_driver(name="Alex Carter", license_number="TX-1")
    create_loads([LOAD])
    assign(driver.id, 1)
    monkeypatch.setattr(notify, "UNDO_SECONDS", 1800)
    assert notify_drivers() == 0, "it can be undone"
    change_status(1, "CANCELLED")
    assert told() == []
    reopen(1, "A wrong tap")
    update_load(1, origin="Waco, TX")
    comment(1, "Dock 4 is closed", visible_to_driver=True)
    comment(1, "Pays late")
    comment_on_own_load(1, "Which dock?")
    create_loads([LOAD, LOAD])
    assign(1, 2, plan=True)
    again, change, said = (
        TOLD.replace("load.assigned", news)
        for news in ("assignment.reopened", "load.updated", "load.commented")
    )
    change, said = (line.replace("Dallas", "Waco") for line in (change, said))
    second, third = (TOLD.replace("load 1", f"load {number}") for number in (2, 3))
    assert told() == [again, change, said, second.replace("assigned", "planned")]
    change_status(1, "COMPLETED")
    assign(1, 3, plan=True)
    change_status(2, "COMPLETED")
    assert told() == [second, third], "not that it was the next load"
    reopen(2, "A wrong tap")
    assert told() == [third.replace("assigned", "planned"), again.replace("load 1", "load 2")]
    change_status(2, "COMPLETED")
    reopen(2, "A wrong tap")
    assert third not in told(), "it is only the next load by now"
    assert told() == []
