"""The relay on a real PostgreSQL: publishing, marking, and retries in outages."""

import json
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Thread

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from billor.cache import invalidate_pages
from billor.extensions import db
from billor.models import Load, LoadEvent
from billor.worker import outage, relay
from billor.worker.relay import PublishFailed, Relay
from tests.support.bus import FakeBus
from tests.support.redis_wire import RedisWire
from tests.support.statements import StatementRecorder

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_event(load_id: int, minute: int = 0) -> LoadEvent:
    return LoadEvent(
        type="load.updated",
        load_id=load_id,
        payload={},
        created_at=NOON + timedelta(0, 60 * minute),
    )


@pytest.fixture
def load_id(context) -> int:
    load = Load(origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van")
    db.session.add(load)
    db.session.commit()
    return load.id


@pytest.fixture
def add_events(load_id) -> Callable[[int], list[str]]:
    """Add events, the newest first, as requests do; return their ids, the oldest first."""

    def add(count: int) -> list[str]:
        for minute in reversed(range(count)):
            db.session.add(make_event(load_id, minute))
            db.session.flush()
        ids = db.session.scalars(select(LoadEvent.id).order_by(LoadEvent.created_at)).all()
        db.session.commit()
        invalidate_pages()
        return [str(id_) for id_ in ids]

    return add


def marked() -> set[str]:
    """The ids of events that count as published."""
    ids = db.session.scalars(select(LoadEvent.id).where(LoadEvent.published_at.is_not(None)))
    found = {str(id_) for id_ in ids}
    db.session.rollback()
    return found


@pytest.mark.usefixtures("context")
def test_an_event_of_an_account_is_published_with_its_user():
    db.session.add(LoadEvent(type="user.updated", user_id=7, payload={}))
    db.session.commit()
    bus = FakeBus()
    assert Relay(bus).publish_batch() == 1
    (message,) = bus.messages
    assert json.loads(message.data)["userId"] == 7


def test_events_are_published_oldest_first_and_marked(add_events):
    ids, bus = add_events(5), FakeBus()
    before = db.session.scalar(select(func.clock_timestamp()))
    # An index scan would return the rows in the right order by chance.
    db.session.execute(text("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off"))

    assert Relay(bus).publish_batch() == 5
    assert bus.taken == ids
    times = db.session.scalars(select(LoadEvent.published_at)).all()
    assert all(before <= time <= datetime.now(UTC) for time in times)

    assert Relay(bus).publish_batch() == 0
    assert bus.taken == ids


def test_a_batch_is_limited_in_size(add_events, monkeypatch):
    monkeypatch.setattr(relay, "BATCH_SIZE", 2)
    ids, bus = add_events(3), FakeBus()
    assert [Relay(bus).publish_batch() for _ in range(3)] == [2, 1, 0]
    assert bus.taken == ids


def test_an_event_refused_by_the_bus_stays_unpublished_and_others_are_marked(add_events):
    first, refused, last = add_events(3)
    bus = FakeBus()
    bus.refused = {refused}
    with pytest.raises(PublishFailed, match="ConnectionError: refused"):
        Relay(bus).publish_batch()
    assert marked() == {first, last}

    bus.refused = set()
    assert Relay(bus).publish_batch() == 1
    assert bus.taken == [first, last, refused]
    assert marked() == {first, refused, last}


def test_an_event_whose_publishing_times_out_stays_unpublished(add_events, monkeypatch):
    class SilentBus(FakeBus):
        def publish(self, messages):
            return Future()

    monkeypatch.setattr(relay, "PUBLISH_SECONDS", 0.1)
    add_events(2)
    with pytest.raises(PublishFailed, match="no answer"):
        Relay(SilentBus()).publish_batch()
    assert marked() == set()


def test_concurrent_relays_never_publish_the_same_event(app, add_events, monkeypatch):
    monkeypatch.setattr(relay, "BATCH_SIZE", 3)
    ids = add_events(6)
    both_have_claimed = Barrier(2)

    class MeetingBus(FakeBus):
        def publish(self, messages):
            both_have_claimed.wait(timeout=10)  # both hold the locks of theirs
            return super().publish(messages)

    def publish_batch() -> list[str]:
        bus = MeetingBus()
        with app.app_context():
            assert Relay(bus).publish_batch() == 3
        return bus.taken

    with ThreadPoolExecutor(2) as pool:
        taken = [pool.submit(publish_batch) for _ in range(2)]
        assert sorted(taken[0].result() + taken[1].result()) == sorted(ids)
    assert marked() == set(ids)


def test_an_event_committed_late_is_not_skipped(load_id, add_events):
    bus = FakeBus()
    with Session(db.engine, expire_on_commit=False) as late:
        slow = make_event(load_id, minute=-60)
        late.add(slow)
        late.flush()
        ids = add_events(2)
        assert Relay(bus).publish_batch() == 2
        late.commit()
    assert Relay(bus).publish_batch() == 1
    assert bus.taken == [*ids, str(slow.id)]


class StoppingBus(FakeBus):
    """A bus that stops its relay after the first batch."""

    def __init__(self, stop: Event):
        super().__init__()
        self._stop = stop

    def publish(self, messages):
        self._stop.set()
        return super().publish(messages)


class WatchedStop(Event):
    """A stop event that shows when a thread waits for it."""

    def __init__(self):
        super().__init__()
        self.waited_for = Event()

    def wait(self, timeout=None):
        self.waited_for.set()
        return super().wait(timeout)


@pytest.mark.parametrize("away", [False, True], ids=["idle", "in an outage"])
def test_a_waiting_relay_shuts_down_at_once(app, add_events, monkeypatch, away):
    monkeypatch.setattr(relay, "IDLE_SECONDS", 600)
    monkeypatch.setattr(outage, "FIRST_WAIT_SECONDS", 600)
    monkeypatch.setattr(outage, "LONGEST_WAIT_SECONDS", 600)
    add_events(1)
    bus, stop = FakeBus(), WatchedStop()
    bus.away = away

    def run():
        with app.app_context():
            Relay(bus).run(stop)

    thread = Thread(target=run, daemon=True)
    thread.start()
    assert stop.waited_for.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_busy_relay_shuts_down_after_the_current_batch(add_events, monkeypatch):
    stop = Event()
    monkeypatch.setattr(relay, "BATCH_SIZE", 2)
    ids, bus = add_events(5), StoppingBus(stop)
    Relay(bus).run(stop)
    assert bus.taken == ids[:2]
    assert marked() == set(ids[:2])


class ScriptedStop(Event):
    """A stop event whose waits run the next step instead; it is set after the last one."""

    def __init__(self, *steps: Callable[[], object]):
        super().__init__()
        self._steps = list(steps)
        self.waits: list[float] = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if self._steps:
            self._steps.pop(0)()
        else:
            self.set()
        return self.is_set()


def nothing() -> None:
    """A step of a script."""


@pytest.fixture
def log(caplog, monkeypatch):
    """What Billor logs as (level, message), whether its logger propagates or not."""
    logger = logging.getLogger("billor")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    caplog.set_level(logging.INFO, "billor")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_bus_outage_is_logged_once_and_retried_with_backoff(add_events, log, monkeypatch):
    monkeypatch.setattr(relay, "LONGEST_IDLE_SECONDS", 0)
    ids, bus = add_events(2), FakeBus()
    bus.away = True

    def come_back():
        bus.away = False

    stop = ScriptedStop(*[nothing] * 7, come_back, lambda: add_events(1))
    Relay(bus).run(stop)

    assert bus.taken[:2] == ids
    assert len(bus.taken) == 3
    assert marked() == set(bus.taken)
    outage_waits, idle_waits = stop.waits[:8], stop.waits[8:]
    assert outage_waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    assert idle_waits == pytest.approx([relay.IDLE_SECONDS] * 2, abs=0.1)
    (warning, told), *rest = log()
    assert warning == "WARNING"
    assert told.startswith("The event bus is away")
    assert rest == [("INFO", "The event bus is back")]


def looks(statements: StatementRecorder) -> int:
    """How often PostgreSQL was asked whether there are events."""
    return sum("EXISTS" in statement for statement in statements.sent)


def test_an_idle_relay_asks_postgresql_each_time_while_redis_is_away(
    context, statements, monkeypatch
):
    RedisWire(monkeypatch).cut = True
    with statements:
        Relay(FakeBus()).run(ScriptedStop(nothing, nothing))
    assert looks(statements) == 3


def test_an_event_that_redis_does_not_tell_of_is_published_after_the_longest_wait(
    load_id, monkeypatch
):
    monkeypatch.setattr(relay, "LONGEST_IDLE_SECONDS", 0)
    bus = FakeBus()

    def add():
        db.session.add(make_event(load_id))
        db.session.commit()

    Relay(bus).run(ScriptedStop(add))
    assert len(bus.taken) == 1


def test_a_lost_postgresql_connection_costs_a_retry_and_no_event(add_events, log):
    class CuttingBus(FakeBus):
        def publish(self, messages):
            if not self.taken:
                backend = db.session.scalar(select(func.pg_backend_pid()))
                with db.engine.connect() as other:
                    other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
            return super().publish(messages)

    ids, bus = add_events(1), CuttingBus()
    stop = ScriptedStop(nothing)
    Relay(bus).run(stop)

    assert bus.taken == ids * 2, "delivery is at least once"
    assert marked() == set(ids)
    (warning, told), *rest = log()
    assert warning == "WARNING"
    assert told.startswith("PostgreSQL is away")
    assert rest == [("INFO", "PostgreSQL is back")]


def test_a_relay_shutting_down_does_not_wait_for_a_silent_bus(add_events):
    class SilentBus(FakeBus):
        def publish(self, messages):
            stop.set()
            return Future()

    add_events(2)
    stop = Event()
    Relay(SilentBus()).run(stop)
    assert marked() == set()
