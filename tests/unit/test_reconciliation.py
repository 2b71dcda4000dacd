"""Reconciliation: it confirms recorded events and republishes those that were lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

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
    return settled_now() - timedelta(seconds=reconciliation.GRACE_SECONDS)


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
