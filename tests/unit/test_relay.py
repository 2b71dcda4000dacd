"""The relay on a real PostgreSQL: claiming, publishing, and retries in outages."""

import pytest
from sqlalchemy import select

from billor.loads.service import create_loads
from billor.models import LoadEvent, db
from billor.worker import relay
from billor.worker.relay import prepare, publish_batch
from tests.support.bus import FakeBus
from tests.support.databases import run_sql
from tests.support.rival import rival

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}

pytestmark = pytest.mark.usefixtures("context")


def add_events(count: int) -> list[str]:
    create_loads([LOAD] * count)
    return unpublished()


def unpublished() -> list[str]:
    query = select(LoadEvent.id).where(LoadEvent.published_at.is_(None))
    ids = [str(id_) for id_ in db.session.scalars(query.order_by(LoadEvent.id))]
    db.session.rollback()
    return ids


def test_events_are_published_in_batches_and_marked(monkeypatch):
    monkeypatch.setattr(relay, "BATCH_SIZE", 2)
    ids, bus = add_events(3), FakeBus()
    assert [publish_batch(bus) for _ in range(3)] == [2, 1, 0]
    assert sorted(bus.published_ids) == ids
    assert unpublished() == []


def test_an_event_that_commits_late_is_published_late(app):
    """Its id and its time are before those of events that were published already."""
    with rival(app) as other:
        other.execute(
            "INSERT INTO load_events (id, type, payload, created_at)"
            " VALUES (gen_random_uuid(), 'user.updated', '{}', '2026-01-01Z')"
        )
        bus = FakeBus()
        add_events(1)
        assert publish_batch(bus) == 1
        other.insist()
    assert publish_batch(bus) == 1


def test_a_new_subscription_gets_what_was_published_before_it(app):
    ids, bus = add_events(3), FakeBus()
    publish_batch(bus)
    run_sql(app, "UPDATE load_events SET recorded_at = now() WHERE id = :id", id=ids[0])
    prepare(bus)
    assert unpublished() == []
    bus.is_new = True
    prepare(bus)
    assert unpublished() == ids[1:]
