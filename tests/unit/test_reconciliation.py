"""What a lost subscription took with it is published again: no more and no less than that."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import func, select, text, update

from billor.audit.sqlite import SqliteStore
from billor.audit.store import StoreUnavailable
from billor.database import transaction
from billor.events import reconciliation
from billor.events.event import to_audit_document, to_message
from billor.events.reconciliation import return_unrecorded
from billor.extensions import db
from billor.loads.service import create_load
from billor.models import LoadEvent

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def store(tmp_path):
    return SqliteStore(tmp_path / "audit.sqlite3")


@pytest.fixture
def events():
    """Seven events, all published."""
    for number in range(7):
        create_load(f"Origin {number}", "Destination", "Cargo")
    with transaction():
        db.session.execute(update(LoadEvent).values(published_at=func.now()))
    return db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()


def record(store, events):
    store.save([to_audit_document(to_message(event).data) for event in events])


def unpublished():
    return set(db.session.scalars(select(LoadEvent.id).where(LoadEvent.published_at.is_(None))))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_only_published_events_without_a_document_go_back(store, events, monkeypatch, batch_size):
    monkeypatch.setattr(reconciliation, "BATCH_SIZE", batch_size)
    record(store, events[:2] + events[5:6])
    assert return_unrecorded(store) == 4
    assert unpublished() == {event.id for event in events[2:5] + events[6:]}
    assert return_unrecorded(store) == 0


def test_nothing_goes_back_when_everything_is_recorded(store, events):
    record(store, events)
    assert return_unrecorded(store) == 0
    assert unpublished() == set()


def test_a_store_that_is_away_is_not_taken_for_an_empty_one(events, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        return_unrecorded(SqliteStore(tmp_path / "file" / "audit.sqlite3"))
    assert unpublished() == set()


def test_what_a_relay_is_publishing_meanwhile_is_waited_for(app, store, events):
    """A relay that published into the void holds its rows until it marks them."""
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
                return return_unrecorded(store)

        reconciling = pool.submit(reconcile)
        # Its first statement waits for the relay's lock: PostgreSQL says so.
        while db.session.scalar(text(WAITING)) == 0:
            db.session.rollback()
        mark.set()
        relaying.result(10)
        assert reconciling.result(10) == 1
    assert unpublished() == {events[0].id}
