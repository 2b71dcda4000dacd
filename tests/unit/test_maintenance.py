"""The worker's maintenance: it deletes expired idempotency keys and old notification marks."""

from threading import Event

import pytest
from sqlalchemy import select, text

from billor.database import DELETE_BATCH_SIZE, transaction
from billor.events.inprocess import InProcessBus
from billor.extensions import db
from billor.http.idempotency import delete_expired_keys
from billor.models import IdempotencyKey
from billor.users.service import create_user
from billor.worker import maintenance
from billor.worker.main import Worker
from billor.worker.maintenance import run_maintenance
from tests.support.apps import another_app, dead_address
from tests.support.rival import rival
from tests.support.worker import running, wait_until


@pytest.fixture
def user_id(app) -> int:
    with app.app_context():
        return create_user("Dana Dispatcher", "dana@billor.example").id


@pytest.fixture
def keep(app, user_id):
    """Store keys `{name} 1`, `{name} 2` … of this age."""

    def store(name: str, ago: str, count: int = 1) -> None:
        statement = text(
            "INSERT INTO idempotency_keys (user_id, key, fingerprint, created_at)"
            " SELECT :user_id, :name || ' ' || number, '', now() - CAST(:ago AS interval)"
            " FROM generate_series(1, :count) AS number"
        )
        values = {"user_id": user_id, "name": name, "ago": ago, "count": count}
        with app.app_context(), transaction():
            db.session.execute(statement, values)

    return store


@pytest.fixture
def kept(app):
    """Read the stored keys."""

    def read() -> set[str]:
        with app.app_context():
            return set(db.session.scalars(select(IdempotencyKey.key)))

    return read


class Rounds(Event):
    """A stop event that is set after so many waits, none of which takes time."""

    def __init__(self, count: int):
        super().__init__()
        self.waits: list[float | None] = []
        self._count = count

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if len(self.waits) == self._count:
            self.set()
        return self.is_set()


def test_only_expired_idempotency_keys_are_deleted(app, keep, kept):
    keep("new", "0 hours")
    keep("valid", "23 hours 59 minutes")
    keep("expired", "24 hours 1 second", count=3)
    keep("old", "1 year")
    with app.app_context():
        assert delete_expired_keys() == 4
        assert delete_expired_keys() == 0
    assert kept() == {"new 1", "valid 1"}


def test_expired_keys_are_deleted_in_batches_until_none_is_left(app, keep, kept):
    keep("expired", "25 hours", count=2 * DELETE_BATCH_SIZE + 1)
    keep("valid", "1 hour")
    with app.app_context():
        assert delete_expired_keys() == DELETE_BATCH_SIZE
        assert len(kept()) == DELETE_BATCH_SIZE + 2
        stop = Rounds(1)
        run_maintenance(stop)
    assert kept() == {"valid 1"}
    assert stop.waits == [maintenance.EVERY_SECONDS]


def test_locked_keys_are_left_for_the_next_round(app, keep, kept):
    """An expired key may be in use by a request right now."""
    keep("expired", "25 hours", count=3)
    with rival(app) as other:
        other.execute("SELECT FROM idempotency_keys WHERE key = 'expired 2' FOR UPDATE")
        with app.app_context():
            assert delete_expired_keys() == 2
        assert kept() == {"expired 2"}
    with app.app_context():
        assert delete_expired_keys() == 1


def test_expired_sessions_are_deleted_as_well(app, user_id):
    with app.app_context():
        for age in ("-1 hour", "1 hour"):
            statement = text(
                "INSERT INTO sessions (user_id, expires_at)"
                " VALUES (:user_id, now() - CAST(:age AS interval))"
            )
            with transaction():
                db.session.execute(statement, {"user_id": user_id, "age": age})
        run_maintenance(Rounds(1))
        assert db.session.scalars(text("SELECT id FROM sessions")).all() == [1]


def test_maintenance_stops_after_the_current_batch_at_shutdown(app, keep, kept, monkeypatch):
    keep("expired", "25 hours", count=DELETE_BATCH_SIZE + 1)
    stop = Event()

    def delete_and_stop() -> int:
        stop.set()
        return delete_expired_keys()

    monkeypatch.setattr(maintenance, "delete_expired_keys", delete_and_stop)
    with app.app_context():
        run_maintenance(stop)
        run_maintenance(stop)
    assert len(kept()) == 1


def test_maintenance_survives_an_outage(app, settings, keep, kept, monkeypatch):
    keep("expired", "25 hours")
    url = f"postgresql://nobody@{dead_address()}/none"
    with another_app(settings, DATABASE_URL=url) as cut_off, cut_off.app_context():
        stop = Rounds(2)
        run_maintenance(stop)
    assert len(stop.waits) == 2
    assert kept() == {"expired 1"}

    with app.app_context():
        run_maintenance(Rounds(1))
    assert kept() == set()


@pytest.mark.usefixtures("context")
def test_old_notification_marks_are_deleted_too():
    mark = text(
        "INSERT INTO notifications (event_id, sent_at)"
        " SELECT gen_random_uuid(), now() - interval '1 year' FROM generate_series(1, :count)"
    )
    with transaction():
        db.session.execute(mark, {"count": DELETE_BATCH_SIZE + 1})
    run_maintenance(Rounds(1))
    assert db.session.scalar(text("SELECT count(*) FROM notifications")) == 0


def test_the_worker_deletes_expired_keys(app, keep, kept):
    keep("expired", "25 hours")
    with running(Worker(app, InProcessBus(), app.extensions["audit_store"])):
        wait_until(lambda: not kept())
