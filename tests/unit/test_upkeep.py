"""The worker's upkeep: events that the bus has lost, expired papers, and expired rows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy import select, text

from billor.drivers.service import create_driver, update_driver, warn_of_papers
from billor.loads.service import create_loads
from billor.models import DriverStatus, IdempotencyKey, LoadEvent, PaperWarning, db
from billor.users.service import create_user
from billor.worker import upkeep
from billor.worker.consumer import Consumer
from billor.worker.relay import publish_batch
from billor.worker.upkeep import (
    DELETE_BATCH_SIZE,
    LOST_SECONDS,
    Reconciler,
    delete_expired_rows,
    run_upkeep,
)
from tests.support.apps import DEAD_ADDRESS, another_app
from tests.support.bus import FakeBus
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A monotonic clock that only the test moves."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("billor.worker.upkeep.time", clock)
    monkeypatch.setattr("billor.worker.consumer.time", clock)
    return clock


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def consumer(clock, bus, app) -> Consumer:
    return Consumer(bus, app.extensions["audit_store"])


@pytest.fixture
def reconciler(bus, consumer) -> Reconciler:
    return Reconciler(bus, consumer)


def publish(bus: FakeBus, count: int) -> None:
    create_loads([LOAD] * count)
    while publish_batch(bus):
        pass


def test_lost_events_are_published_again_after_five_minutes_in_bounded_steps(
    clock, bus, reconciler, monkeypatch
):
    for module in ("events.outbox", "worker.upkeep"):
        monkeypatch.setattr(f"billor.{module}.MAX_REPUBLISHED", 2)
    publish(bus, 3)
    bus.waiting.clear()
    assert reconciler.publish_lost_events() == 0
    clock.now += LOST_SECONDS - 1
    assert reconciler.publish_lost_events() == 0
    publish(bus, 1)  # not for so long
    clock.now += 1
    assert [reconciler.publish_lost_events() for _ in range(3)] == [2, 1, 0]
    assert publish_batch(bus) == 3


def set_published(when: str) -> None:
    db.session.execute(text(f"UPDATE load_events SET published_at = {when}"))  # noqa: S608
    db.session.commit()


@pytest.mark.parametrize("sign", "-+")
def test_a_backlog_is_no_loss(clock, bus, consumer, reconciler, sign):
    """While the consumer records late, what waits in the bus is not lost.

    PostgreSQL's clock may have been set back meanwhile.
    """
    publish(bus, 3)
    set_published(f"now() {sign} interval '10 minutes'")
    for _ in range(3):
        reconciler.publish_lost_events()
        clock.now += LOST_SECONDS
        consumer.handle(bus.pull(1))
        assert reconciler.publish_lost_events() == 0


def test_messages_that_come_again_do_not_keep_lost_events_back(clock, bus, consumer, reconciler):
    publish(bus, 1)
    old = bus.pull(1)
    consumer.handle(old)
    publish(bus, 1)
    bus.waiting.clear()
    set_published("now() - interval '10 minutes'")
    reconciler.publish_lost_events()
    clock.now += LOST_SECONDS - 1
    consumer.handle(old)
    clock.now += 1
    assert reconciler.publish_lost_events() == 1


def test_expired_rows_are_deleted_in_batches():
    """Of each kind one row is valid for another hour."""
    user_id = create_user("Dana Dispatcher", "dana@billor.example").id
    expiries = "now() - number * interval '1 hour' FROM generate_series(-1, :last) AS number"
    for row in (
        "idempotency_keys (user_id, key, fingerprint, expires_at) SELECT :id, number, '', ",
        "sessions (user_id, expires_at) SELECT :id, ",
        "login_attempts (failures, key, expires_at) SELECT :id, number, ",
    ):
        values = {"id": user_id, "last": DELETE_BATCH_SIZE + 1}
        db.session.execute(text(f"INSERT INTO {row} {expiries} WHERE number <> 0"), values)
    db.session.commit()
    delete_expired_rows(Event())
    assert list(db.session.scalars(select(IdempotencyKey.key))) == ["-1"]
    for table in ("sessions", "login_attempts"):
        assert db.session.scalar(text(f"SELECT count(*) FROM {table}")) == 1  # noqa: S608


def test_upkeep_survives_an_outage(settings, monkeypatch):
    monkeypatch.setattr(upkeep, "EVERY_SECONDS", 0)
    stop, tried = Event(), []

    def try_twice(stop: Event) -> None:
        tried.append(1)
        if len(tried) == 2:
            stop.set()
        delete_expired_rows(Event())

    monkeypatch.setattr(upkeep, "delete_expired_rows", try_twice)
    url = f"postgresql://nobody@{DEAD_ADDRESS}/none"
    with another_app(settings, DATABASE_URL=url) as cut_off, cut_off.app_context():
        run_upkeep(FakeBus(), None, stop)
    assert len(tried) == 2


TODAY = date(2026, 3, 1)


def warnings_of_papers() -> list[tuple[int, str, str, int]]:
    """Let the worker warn; return of all warnings so far the driver, the paper and its date."""
    warn_of_papers()
    events = db.session.scalars(select(LoadEvent).filter_by(type="driver.papers_expire"))
    found = []
    for event in events.all():
        assert event.payload["driver"]["id"] == event.driver_id
        told = (event.payload[name] for name in ("paper", "expiresOn", "days"))
        found.append((event.driver_id, *told))
    db.session.rollback()
    return sorted(found)


def test_each_paper_is_warned_of_once_at_each_threshold(monkeypatch):
    papers = {"license_expires_on": date(2026, 5, 1), "medical_expires_on": date(2026, 3, 20)}
    create_driver("Alex Carter", "TX-1", **papers)  # license in 61 days, medical in 19
    create_driver("Brianna Lopez", "TX-2", status=DriverStatus.INACTIVE, **papers)
    create_driver("Chen Wei", "TX-3")
    medical, license_ = (1, "medical", "2026-03-20"), (1, "license", "2026-05-01")
    expected = []
    for day, new in (
        (TODAY, [(*medical, 19)]),  # that of 60 days is past
        (date(2026, 3, 2), [(*license_, 60)]),
        (date(2026, 3, 13), [(*medical, 7)]),
        (date(2026, 3, 19), []),
        (date(2026, 3, 20), [(*medical, 0)]),
        (date(2026, 3, 21), []),
        (date(2026, 4, 2), [(*license_, 29)]),  # no worker ran the day before
        (date(2026, 5, 3), [(*license_, -2)]),
    ):
        monkeypatch.setattr("billor.drivers.service.today", lambda day=day: day)
        expected += new
        for _ in range(2):
            assert warnings_of_papers() == sorted(expected), day
    update_driver(1, medical_expires_on=date(2026, 5, 3))
    expected.append((1, "medical", "2026-05-03", 0))
    assert warnings_of_papers() == sorted(expected)


@pytest.mark.parametrize("crashes", [False, True])
def test_two_workers_warn_once_and_a_crash_loses_no_warning(app, monkeypatch, crashes):
    monkeypatch.setattr("billor.drivers.service.today", lambda: TODAY)
    create_driver("Alex Carter", "TX-1", license_expires_on=TODAY)

    def work() -> int:
        with app.app_context():
            return len(warnings_of_papers())

    with rival(app) as other, ThreadPoolExecutor(1) as threads:
        other.execute("INSERT INTO paper_warnings VALUES (1, 'license', '2026-03-01', 0)")
        here = threads.submit(work)
        other.wait_until_waited_for()
        if crashes:
            other.give_way()
        else:
            other.insist()
        assert here.result(WAIT_SECONDS) == crashes


def test_upkeep_warns_of_papers(monkeypatch):
    monkeypatch.setattr(upkeep, "EVERY_SECONDS", 0)
    stop = Event()
    create_driver("Alex Carter", "TX-1", license_expires_on=date(2020, 1, 31))
    monkeypatch.setattr(upkeep, "delete_expired_rows", lambda stop: stop.set())
    run_upkeep(FakeBus(), None, stop)
    assert db.session.query(PaperWarning).count() == 1
