"""Reconciliation: it confirms recorded events and republishes those that were lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, text, update

from billor.audit.sqlite import SqliteStore
from billor.audit.store import StoreUnavailable
from billor.database import transaction
from billor.events.event import to_audit_document, to_message
from billor.events.inprocess import InProcessBus
from billor.extensions import db
from billor.loads.service import create_load
from billor.models import LoadEvent
from billor.worker import reconciliation
from billor.worker.reconciliation import Reconciler, return_unrecorded, settled_now

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def store(tmp_path):
    return SqliteStore(tmp_path / "audit.sqlite3")


@pytest.fixture
def events():
    """Seven events, all published."""
    for number in range(7):
        create_load(origin=f"Origin {number}", destination="Destination", cargo_type="Cargo")
    with transaction():
        db.session.execute(update(LoadEvent).values(published_at=func.now()))
    return db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()


def record(store, events):
    store.save([to_audit_document(to_message(event).data) for event in events])


def unpublished():
    return set(db.session.scalars(select(LoadEvent.id).where(LoadEvent.published_at.is_(None))))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_only_published_events_without_a_document_return_to_the_outbox(
    store, events, monkeypatch, batch_size
):
    monkeypatch.setattr(reconciliation, "BATCH_SIZE", batch_size)
    record(store, events[:2] + events[5:6])
    assert return_unrecorded(store, settled_now(), Event()) == 4
    assert unpublished() == {event.id for event in events[2:5] + events[6:]}
    assert return_unrecorded(store, settled_now(), Event()) == 0


def test_no_event_returns_to_the_outbox_when_everything_is_recorded(store, events):
    record(store, events)
    assert return_unrecorded(store, settled_now(), Event()) == 0
    assert unpublished() == set()


def published_ago(event, **ago):
    with transaction():
        db.session.execute(
            update(LoadEvent)
            .where(LoadEvent.id == event.id)
            .values(published_at=func.now() - timedelta(**ago))
        )


def test_events_within_the_grace_period_are_left_alone(store, events):
    published_ago(events[3], minutes=6)
    published_ago(events[4], minutes=4)
    assert return_unrecorded(store, settled_now() - timedelta(minutes=5), Event()) == 1
    assert unpublished() == {events[3].id}


def unconfirmed():
    return set(db.session.scalars(select(LoadEvent.id).where(LoadEvent.recorded_at.is_(None))))


def five_minutes_ago():
    return settled_now() - timedelta(minutes=5)


class WatchedStore(SqliteStore):
    """Records the ids of each lookup."""

    def __init__(self, store):
        super().__init__(store._path)
        self.asked = []

    def missing(self, ids):
        self.asked.append(ids)
        return super().missing(ids)


def test_confirmed_events_are_not_looked_up_again(store, events):
    watched = WatchedStore(store)
    record(watched, events[:5])
    return_unrecorded(watched, settled_now(), Event())
    assert [len(ids) for ids in watched.asked] == [7]
    watched.asked.clear()
    published_ago(events[6], hours=1)
    return_unrecorded(watched, settled_now(), Event())
    assert watched.asked == [[str(events[6].id)]]


def test_recorded_events_are_confirmed_some_seconds_later(store, events):
    record(store, events)
    for event in events[:3]:
        published_ago(event, seconds=reconciliation.SOON_SECONDS + 1)
    assert return_unrecorded(store, five_minutes_ago(), Event()) == 0
    assert unconfirmed() == {event.id for event in events[3:]}
    assert unpublished() == set()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_a_missing_document_does_not_delay_confirming_others(
    store, events, monkeypatch, batch_size
):
    monkeypatch.setattr(reconciliation, "BATCH_SIZE", batch_size)
    for number, event in enumerate(events):
        published_ago(event, minutes=1, seconds=-number)
    record(store, [event for event in events if event is not events[4]])
    assert return_unrecorded(store, five_minutes_ago(), Event()) == 0
    # Only batches of one can lack every document, which ends the lookup.
    late = {1: events[4:]}.get(batch_size, events[4:5])
    assert unconfirmed() == {event.id for event in late}
    assert unpublished() == set()


def test_the_lookup_ends_at_a_batch_without_any_document(store, events, monkeypatch):
    monkeypatch.setattr(reconciliation, "BATCH_SIZE", 2)
    watched = WatchedStore(store)
    for number, event in enumerate(events):
        published_ago(event, minutes=1, seconds=-number)
    assert return_unrecorded(watched, five_minutes_ago(), Event()) == 0
    assert watched.asked == [[str(event.id) for event in events[:2]]]
    assert unpublished() == set()

    # A lost event among them returns to the outbox all the same.
    published_ago(events[1], minutes=6)
    assert return_unrecorded(watched, five_minutes_ago(), Event()) == 1
    assert unpublished() == {events[1].id}


def test_a_reconciler_starts_at_once_and_prepares_the_bus_after_losses(store, events):
    class WatchedBus(InProcessBus):
        prepared = 0

        def prepare(self):
            self.prepared += 1
            raise ConnectionError("away")

    class OneRound(Event):
        def wait(self, timeout=None):
            self.set()

    bus = WatchedBus()
    Reconciler(store, bus, None).run(OneRound())
    assert bus.prepared == 0
    published_ago(events[0], hours=1)
    Reconciler(store, bus, None).run(OneRound())
    assert bus.prepared == 1
    assert unpublished() == {events[0].id}


def test_a_reconciler_survives_outages(store, events, tmp_path):
    (tmp_path / "file").touch()
    published_ago(events[0], hours=1)
    rounds = []

    class TwoRounds(Event):
        def wait(self, timeout=None):
            rounds.append(timeout)
            if len(rounds) == 2:
                self.set()

    away = SqliteStore(tmp_path / "file" / "audit.sqlite3")
    Reconciler(away, InProcessBus(), None).run(TwoRounds())
    assert rounds == [reconciliation.EVERY_SECONDS] * 2
    assert unpublished() == set()


def test_an_unavailable_store_is_not_taken_for_an_empty_one(events, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        return_unrecorded(SqliteStore(tmp_path / "file" / "audit.sqlite3"), settled_now(), Event())
    assert unpublished() == set()


def test_reconciliation_waits_for_events_that_a_relay_is_publishing(app, store, events):
    """A relay that published without a subscription locks its rows until it marks them."""
    record(store, events[1:])
    locked, mark = Event(), Event()

    def relay():
        with app.app_context(), transaction():
            row = db.session.get(LoadEvent, events[0].id, with_for_update={"key_share": True})
            locked.set()
            assert mark.wait(10)
            row.published_at = func.clock_timestamp()

    with transaction():
        db.session.execute(
            update(LoadEvent).where(LoadEvent.id == events[0].id).values(published_at=None)
        )
    with ThreadPoolExecutor(2) as pool:
        relaying = pool.submit(relay)
        assert locked.wait(10)

        def reconcile():
            with app.app_context():
                return return_unrecorded(store, settled_now(), Event())

        reconciling = pool.submit(reconcile)
        # Wait until its first statement waits for the relay's lock.
        while db.session.scalar(text(WAITING)) == 0:
            db.session.rollback()
        mark.set()
        relaying.result(10)
        assert reconciling.result(10) == 1
    assert unpublished() == {events[0].id}


def test_a_new_subscription_skips_the_grace_period_until_one_round_succeeds(
    store, events, tmp_path
):
    class FailingStore(SqliteStore):
        failures = 0

        def missing(self, ids):
            if not self.failures:
                self.failures += 1
                raise StoreUnavailable("away")
            return super().missing(ids)

    class ThreeRounds(Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            if len(waits) == 1:
                create_load(origin="Origin", destination="Destination", cargo_type="Cargo")
            if len(waits) == 2:
                returned.append(unpublished())
            if len(waits) == 3:
                self.set()
            with transaction():
                db.session.execute(
                    update(LoadEvent)
                    .where(LoadEvent.published_at.is_(None))
                    .values(published_at=func.now())
                )

    returned = []
    waits = []
    failing = FailingStore(tmp_path / "audit.sqlite3")
    Reconciler(failing, InProcessBus(), settled_now()).run(ThreeRounds())
    assert waits == [reconciliation.AGAIN_SECONDS, *[reconciliation.EVERY_SECONDS] * 2]
    assert returned == [{event.id for event in events}], "the rest may still be delivered"
    assert unpublished() == set()


def test_a_reconciliation_ends_at_shutdown(store, events):
    stop = Event()
    stop.set()
    assert return_unrecorded(store, settled_now(), stop) == 0
    assert unpublished() == set()


# Telling what is lost from what is waiting


class Rounds(Event):
    """Ends a reconciler after some rounds; remembers how long it would have waited."""

    def __init__(self, count=1):
        super().__init__()
        self._count = count
        self.waits = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if len(self.waits) == self._count:
            self.set()


@pytest.fixture
def clock(monkeypatch):
    """The reconciler's own clock."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(reconciliation, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def backlog():
    """Thirty events, published a second after each other, the last 71 seconds ago."""
    for number in range(30):
        create_load(origin=f"Origin {number}", destination="Destination", cargo_type="Cargo")
    backlog = db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()
    for number, event in enumerate(backlog):
        happened(event, created=100 - number, published=100 - number)
    return backlog


def happened(event, *, created, published):
    """Set how many seconds ago an event was created and last published."""
    with transaction():
        db.session.execute(
            update(LoadEvent)
            .where(LoadEvent.id == event.id)
            .values(
                created_at=func.now() - timedelta(seconds=created),
                published_at=func.now() - timedelta(seconds=published),
            )
        )


def publish_again(events, *, ago):
    """As a relay does with those put back into the outbox."""
    with transaction():
        db.session.execute(
            update(LoadEvent)
            .where(LoadEvent.id.in_([event.id for event in events]))
            .values(published_at=func.now() - timedelta(seconds=ago))
        )


def ids(events):
    return {event.id for event in events}


def test_an_event_overtaken_by_a_much_later_one_is_lost(store, backlog):
    happened(backlog[29], created=60.5, published=60.5)
    record(store, [*backlog[3:5], backlog[29]])
    Reconciler(store, InProcessBus(), None).run(Rounds())
    # Published more than 30 seconds before the last recorded one.
    assert unpublished() == ids([*backlog[:3], *backlog[5:10]])
    assert unconfirmed() == ids([*backlog[:3], *backlog[5:29]])


def test_a_backlog_is_not_published_again_but_for_a_probe(store, backlog, clock):
    reconciler = Reconciler(store, InProcessBus(), None)
    for recorded in range(0, 20, 5):
        record(store, backlog[:recorded])
        clock.now += reconciliation.EVERY_SECONDS / 2
        reconciler.run(Rounds())
    assert unpublished() == ids(backlog[20:])
    assert unconfirmed() == ids(backlog[15:])


def test_a_probe_is_sent_once_in_a_while(store, backlog, clock):
    reconciler = Reconciler(store, InProcessBus(), None)
    reconciler.run(Rounds(3))
    assert unpublished() == ids(backlog[20:])
    clock.now += reconciliation.GRACE_SECONDS
    reconciler.run(Rounds(3))
    assert unpublished() == ids(backlog[10:])


def test_a_recorded_probe_shows_what_is_lost(store, backlog, clock):
    reconciler = Reconciler(store, InProcessBus(), None)
    reconciler.run(Rounds())
    probe = backlog[20:]
    publish_again(probe, ago=6)
    record(store, probe[:1])
    reconciler.run(Rounds())
    assert unpublished() == ids(backlog[:20])


def test_the_first_publication_of_a_probe_shows_nothing(store, backlog, clock):
    """A consumer that is behind records it in its turn, after all before it."""
    reconciler = Reconciler(store, InProcessBus(), None)
    reconciler.run(Rounds())
    publish_again(backlog[20:], ago=6)
    record(store, backlog[:21])
    reconciler.run(Rounds())
    assert unpublished() == set()
    assert unconfirmed() == ids(backlog[21:])


@pytest.mark.parametrize(
    ("created", "published", "is_lost"),
    [
        (100, 100, True),
        (100, 71, True),
        (100, 40, False),
        (160, 75, False),
        (160, 85, True),
        (86_400, 290, False),
        (86_400, 310, True),
    ],
)
def test_an_event_that_was_published_late_is_given_as_much_time_again(
    store, events, clock, created, published, is_lost
):
    """So one that is never recorded is published less and less often, at last every 5 minutes."""
    record(store, events[1:])
    publish_again(events[1:], ago=6)
    happened(events[0], created=created, published=published)
    reconciler = Reconciler(store, InProcessBus(), None)
    clock.now = -1.0  # no probe is due
    reconciler.run(Rounds())
    assert unpublished() == (ids(events[:1]) if is_lost else set())


def test_an_event_that_another_process_published_again_is_left_alone(store, backlog):
    class SlowStore(SqliteStore):
        def missing(self, asked):
            publish_again(backlog, ago=0)
            return super().missing(asked)

    return_unrecorded(SlowStore(store._path), settled_now() - timedelta(seconds=60), Event())
    assert unpublished() == set()


def test_a_recreated_subscription_returns_all_that_was_published_before(store, backlog):
    class Recreated(InProcessBus):
        def prepare(self):
            return True

    rounds = Rounds(2)
    Reconciler(store, Recreated(), None).run(rounds)
    assert rounds.waits == [reconciliation.AGAIN_SECONDS] * 2
    assert unpublished() == ids(backlog)


def test_recorded_events_are_confirmed_behind_a_block_of_lost_ones(store, backlog, monkeypatch):
    monkeypatch.setattr(reconciliation, "BATCH_SIZE", 10)
    record(store, backlog[25:])
    Reconciler(store, InProcessBus(), None).run(Rounds())
    assert ids(backlog[25:]).isdisjoint(unconfirmed())
