"""Notifications of drivers, on a real PostgreSQL: at least once, and retried only on failure."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from billor.database import DELETE_BATCH_SIZE, transaction
from billor.errors import Unavailable
from billor.extensions import db
from billor.models import Load, LoadEvent, Notification
from billor.worker import outage
from billor.worker.notifications import (
    KEPT_DAYS,
    Notifier,
    NotSent,
    delete_old_marks,
)
from billor.worker.received import read
from tests.support.apps import another_app, dead_address
from tests.support.bus import FakeDelivery, event_message
from tests.support.rival import rival
from tests.support.tcp_proxy import TcpProxy
from tests.support.worker import wait_until

PAYLOAD = {
    "driver": {"name": "Alex Carter", "id": 3},
    "load": {
        "id": 7,
        "cargoType": "Dry van",
        "origin": "Dallas, TX",
        "destination": "Austin, TX",
    },
    "user": None,
}
STAGE = "billor.worker.stage"
TEXT = "To Alex Carter: you have load 7, Dry van, from Dallas, TX to Austin, TX."


def assigned(number: int = 7, **changes):
    """A message about the assignment of a load with this id."""
    payload = PAYLOAD | {"load": PAYLOAD["load"] | {"id": number}}
    return event_message(type="load.assigned", payload=payload, **changes)


class Sender:
    """Records the loads that drivers were notified of; fails for those in `unreachable`."""

    def __init__(self):
        self.notified: list[int] = []
        self.unreachable: set[int] = set()

    def __call__(self, text: str) -> None:
        load = int(text.split("load ")[1].split(",")[0])
        if load in self.unreachable:
            raise ConnectionError(f"load {load}")
        self.notified.append(load)


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def passed_on() -> list:
    return []


@pytest.fixture
def notifier(sender, passed_on) -> Notifier:
    return Notifier(sender, passed_on.append)


def receive(*messages):
    return [read(FakeDelivery(message)) for message in messages]


def marked() -> set[str]:
    with transaction():
        return {str(id_) for id_ in db.session.scalars(select(Notification.event_id))}


def ids(*messages) -> set[str]:
    return {message.attributes["id"] for message in messages}


def test_an_assignment_becomes_a_notification_text():
    (received,) = receive(assigned())
    assert received.notification == TEXT


@pytest.mark.parametrize(
    "type_", ["load.created", "load.completed", "assignment.cancelled", "load.updated"]
)
def test_drivers_are_notified_of_assignments_only(type_):
    (received,) = receive(event_message(type=type_, payload=PAYLOAD))
    assert received.document
    assert not received.notification


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"driver": PAYLOAD["driver"]},
        {"load": PAYLOAD["load"]},
        PAYLOAD | {"driver": None},
        PAYLOAD | {"driver": "Alex Carter"},
        PAYLOAD | {"driver": {"name": ["Alex"]}},
        PAYLOAD | {"load": [PAYLOAD["load"]]},
        PAYLOAD | {"load": PAYLOAD["load"] | {"id": "7"}},
        PAYLOAD | {"load": PAYLOAD["load"] | {"origin": {"city": "Dallas"}}},
    ],
)
def test_an_assignment_without_notification_data_is_malformed(payload):
    (received,) = receive(event_message(type="load.assigned", payload=payload))
    assert "to tell of" in received.flaw
    assert not received.document
    assert not received.notification


@pytest.mark.usefixtures("context")
def test_a_redelivered_message_notifies_once_and_is_passed_on_each_time(
    notifier, sender, passed_on
):
    messages = [assigned(number) for number in range(3)]
    batch = receive(*messages)
    notifier.handle(batch)
    assert sorted(sender.notified) == [0, 1, 2]
    assert passed_on == batch
    assert marked() == ids(*messages)

    again = receive(messages[1], assigned(9), messages[1])
    notifier.handle(again)
    assert sorted(sender.notified) == [0, 1, 2, 9]
    assert passed_on == batch + again
    assert all(received.delivery.settled == [] for received in passed_on)


@pytest.mark.usefixtures("context")
def test_a_batch_of_notifications_takes_one_statement(notifier, statements):
    batch = receive(*(assigned(number) for number in range(100)))
    with statements:
        notifier.handle(batch)
    assert len(statements.sent) == 1


@pytest.mark.usefixtures("context")
def test_only_a_failed_notification_is_nacked_and_retried(notifier, sender, passed_on):
    sender.unreachable = {1}
    messages = [assigned(number) for number in range(3)]
    batch = receive(*messages)
    with pytest.raises(NotSent, match="ConnectionError: load 1"):
        notifier.handle(batch)
    assert sorted(sender.notified) == [0, 2]
    assert batch[1].delivery.settled == ["nack"]
    assert passed_on == [batch[0], batch[2]]
    assert marked() == ids(messages[0], messages[2])

    sender.unreachable = set()
    notifier.handle(receive(*messages))
    assert sorted(sender.notified) == [0, 1, 2]
    assert marked() == ids(*messages)


@pytest.mark.usefixtures("context")
def test_a_notification_sent_but_not_marked_is_sent_again(sender, passed_on):
    """A consumer killed before the commit leaves no mark."""
    message = assigned()

    class Killed(BaseException):
        pass

    def send_and_die(text):
        sender(text)
        raise Killed

    with pytest.raises(Killed):
        Notifier(send_and_die, passed_on.append).handle(receive(message))
    assert marked() == set()
    Notifier(sender, passed_on.append).handle(receive(message))
    assert sender.notified == [7, 7]
    assert len(passed_on) == 1


def test_duplicate_messages_in_two_consumers_notify_once(app, sender, passed_on):
    messages = [assigned(number) for number in range(20)]
    sending, go_on = Event(), Event()

    def send_slowly(text):
        sending.set()
        assert go_on.wait(10)
        sender(text)

    def handle(send, batch):
        with app.app_context():
            Notifier(send, passed_on.append).handle(receive(*batch))

    with ThreadPoolExecutor(2) as pool, rival(app) as onlooker:
        first = pool.submit(handle, send_slowly, messages)
        assert sending.wait(10)
        second = pool.submit(handle, sender, messages[::-1])
        onlooker.wait_until_waited_for()
        assert sender.notified == []
        go_on.set()
        first.result(10)
        second.result(10)
    assert sorted(sender.notified) == list(range(20))
    assert len(passed_on) == 40


def test_two_consumers_of_the_same_messages_do_not_deadlock(app, sender, passed_on):
    messages = sorted(
        (assigned(number) for number in range(20)), key=lambda message: message.attributes["id"]
    )

    def handle(batch):
        with app.app_context():
            Notifier(sender, passed_on.append).handle(receive(*batch))

    with rival(app) as other, ThreadPoolExecutor(2) as pool:
        middle = messages[10].attributes["id"]
        other.execute("INSERT INTO notifications (event_id) VALUES (:id)", id=middle)
        both = [pool.submit(handle, batch) for batch in (messages, messages[::-1])]
        other.wait_until_waited_for(2)
        other.give_way()
        for handled in both:
            handled.result(10)
    assert sorted(sender.notified) == list(range(20))


def test_every_message_is_nacked_while_postgresql_is_unavailable(
    app, settings, notifier, sender, passed_on
):
    url = f"postgresql://nobody@{dead_address()}/none"
    batch = receive(assigned(1), assigned(2))
    with (
        another_app(settings, DATABASE_URL=url) as cut_off,
        cut_off.app_context(),
        pytest.raises((Unavailable, SQLAlchemyError)),
    ):
        notifier.handle(batch)
    assert [received.delivery.settled for received in batch] == [["nack"], ["nack"]]
    assert sender.notified == passed_on == []


@pytest.mark.usefixtures("app")
def test_a_postgresql_outage_is_logged_once_and_survived(
    settings, notifier, sender, passed_on, monkeypatch, caplog
):
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 0.2)
    url, stop, message = settings["DATABASE_URL"], Event(), assigned()

    def deliver_and_wait() -> FakeDelivery:
        """Redeliver the message, as the bus does after a nack."""
        delivery = FakeDelivery(message)
        notifier.deliver(read(delivery))
        wait_until(lambda: delivery.settled or passed_on)
        return delivery

    with (
        TcpProxy.before(url) as proxy,
        another_app(settings, DATABASE_URL=proxy.replaced_in(url)) as app,
        ThreadPoolExecutor(1) as pool,
        app.app_context(),
    ):
        proxy.refuse()
        running = pool.submit(copy_context().run, notifier.run, stop)
        try:
            for _ in range(3):
                assert deliver_and_wait().settled == ["nack"]
            proxy.accept()
            wait_until(lambda: deliver_and_wait().settled == [])
        finally:
            stop.set()
            running.result(10)
    assert sender.notified == [7]
    away, back = (record.getMessage() for record in caplog.records if record.name == STAGE)
    assert away.startswith("The notification service is away, waiting for it: Unavailable")
    assert back == "The notification service is back"


def make_mark(ago: str, count: int = 1, event_id: uuid.UUID | None = None) -> None:
    statement = text(
        "INSERT INTO notifications (event_id, sent_at)"
        " SELECT coalesce(:event_id, gen_random_uuid()), now() - CAST(:ago AS interval)"
        " FROM generate_series(1, :count)"
    )
    with transaction():
        db.session.execute(statement, {"event_id": event_id, "ago": ago, "count": count})


@pytest.mark.usefixtures("context")
def test_notification_marks_are_deleted_after_their_retention_period():
    make_mark("0 days")
    make_mark(f"{KEPT_DAYS} days -1 minute")
    make_mark(f"{KEPT_DAYS} days 1 minute", count=3)
    assert delete_old_marks() == 3
    assert delete_old_marks() == 0
    assert len(marked()) == 2
    make_mark("1 year", count=DELETE_BATCH_SIZE + 1)
    assert [delete_old_marks() for _ in range(3)] == [DELETE_BATCH_SIZE, 1, 0]


@pytest.mark.usefixtures("context")
def test_the_mark_of_an_unrecorded_event_is_kept():
    with transaction():
        load = Load(origin="Dallas, TX", destination="Austin, TX", cargo_type="Dry van")
        db.session.add(load)
        db.session.flush()
        event = LoadEvent(type="load.assigned", load_id=load.id, payload={})
        db.session.add(event)
        db.session.flush()
        event_id = event.id
    make_mark("1 year", event_id=event_id)
    assert delete_old_marks() == 0
    with transaction():
        db.session.execute(text("UPDATE load_events SET recorded_at = now()"))
    assert delete_old_marks() == 1
