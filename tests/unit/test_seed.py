"""Demo data: idempotent, in the requested amount, without the default password in production."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from sqlalchemy import delete, func, select

from billor.cli import seed
from billor.cli.seed import CITIES, DRIVERS, LOADS, SeedRefused, seed_database
from billor.config import DEFAULT_DEMO_PASSWORD
from billor.extensions import db
from billor.models import Driver, Load, LoadEvent
from billor.users.service import find_user, set_password

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def log_in(anonymous, email: str, password: str) -> int:
    return anonymous.post("/auth/login", {"email": email, "password": password}).status_code


@pytest.fixture
def small_chunks(context, monkeypatch):
    monkeypatch.setattr(seed, "CHUNK_ROWS", 4)


@pytest.mark.usefixtures("context")
def test_seeding_again_changes_nothing(config):
    assert seed_database(config) == {"users": 1, "drivers": len(DRIVERS), "loads": len(LOADS)}
    assert seed_database(config) == {"users": 0, "drivers": 0, "loads": 0}


@pytest.mark.usefixtures("small_chunks")
def test_seeding_tops_up_to_a_number_with_an_event_for_each_row(config):
    seed_database(config)
    assert seed_database(config, drivers=10, loads=20) == {"users": 0, "drivers": 7, "loads": 16}
    assert seed_database(config, drivers=10, loads=20) == {"users": 0, "drivers": 0, "loads": 0}
    assert seed_database(config, drivers=1, loads=21) == {"users": 0, "drivers": 0, "loads": 1}

    loads = db.session.scalars(select(Load.id)).all()
    columns = (LoadEvent.load_id, LoadEvent.driver_id, LoadEvent.type)
    events = db.session.execute(select(*columns)).all()
    created = [(load, None, "load.created") for load in loads]
    created += [
        (None, driver, "driver.created") for driver in db.session.scalars(select(Driver.id))
    ]
    assert sorted(events, key=str) == sorted([(None, None, "user.created"), *created], key=str)
    assert len(loads) == 21


@pytest.mark.usefixtures("small_chunks")
def test_seeded_rows_are_varied_and_valid(config):
    seed_database(config, drivers=100, loads=100)
    loads = db.session.scalars(select(Load)).all()
    assert {load.origin for load in loads} <= set(CITIES)
    assert not [load for load in loads if load.origin == load.destination]
    for values in (
        [load.origin for load in loads],
        [load.destination for load in loads],
        [driver.name for driver in db.session.scalars(select(Driver))],
    ):
        assert len(set(values)) > 20
        assert max(Counter(values).values()) < 15


def rows(model, *names: str) -> list[tuple]:
    return [
        tuple(getattr(row, name) for name in names)
        for row in db.session.scalars(select(model).order_by(model.id))
    ]


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_seed_keeps_whole_chunks_and_the_next_one_continues(config):
    told: list[tuple[str, int, int]] = []

    @contextmanager
    def interrupt_the_loads(name, count):
        def tell(made):
            told.append((name, count, made))
            if len(told) == 5:
                raise KeyboardInterrupt

        yield tell

    with pytest.raises(KeyboardInterrupt):
        seed_database(config, drivers=10, loads=10, progress=interrupt_the_loads)
    assert told == [("drivers", 10, n) for n in (4, 4, 2)] + [("loads", 10, 4)] * 2
    assert db.session.scalar(select(func.count()).select_from(Load)) == 8
    events = db.session.scalar(select(func.count()).select_from(LoadEvent))
    assert events == 8 + 10 + 1, "one for each load and driver, and one for the user"
    assert seed_database(config, drivers=10, loads=10) == {"users": 0, "drivers": 0, "loads": 2}


@pytest.mark.usefixtures("small_chunks")
def test_seeded_rows_depend_only_on_their_number(config, app):
    seed_database(config, drivers=9, loads=9)
    seed_database(config, drivers=12, loads=12)
    drivers = rows(Driver, "id", "name", "license_number")
    loads = rows(Load, "id", "origin", "destination", "cargo_type")
    assert drivers == [(n, *seed._driver(n).values()) for n in range(1, 13)]
    assert loads == [(n, *islice(seed._load(n, NOW).values(), 3)) for n in range(1, 13)]


def test_seeded_times_depend_on_their_number_and_the_hour():
    later = timedelta(hours=30)
    for number in range(1, 50):
        load, next_day = (seed._load(number, now) for now in (NOW, NOW + later))
        for name in ("pickup_at", "deliver_by"):
            assert next_day[name] - load[name] == later
        assert load["deliver_by"] > load["pickup_at"]


@pytest.mark.usefixtures("context")
def test_a_few_seeded_loads_are_overdue_and_most_are_soon(config):
    for count, most_overdue in ((None, 1), (300, 60)):
        seed_database(config, loads=count)
        now = datetime.now(UTC)
        times = db.session.scalars(select(Load.pickup_at)).all()
        assert 1 <= sum(time < now for time in times) <= most_overdue
        assert max(times) < now + timedelta(days=4)


@pytest.mark.usefixtures("small_chunks")
def test_license_numbers_stay_unique_after_drivers_were_removed(config):
    seed_database(config, drivers=12)
    removed = [1, 5, 6, 12]
    db.session.execute(delete(LoadEvent).where(LoadEvent.driver_id.in_(removed)))
    db.session.execute(delete(Driver).where(Driver.id.in_(removed)))
    db.session.commit()
    assert seed_database(config, drivers=30)["drivers"] == 22
    numbers = db.session.scalars(select(Driver.license_number)).all()
    assert len(set(numbers)) == 30


@pytest.mark.usefixtures("context")
def test_a_thousand_loads_cost_a_few_statements(config, statements):
    with statements:
        seed_database(config, drivers=1000, loads=1000)
    assert len(statements.sent) < 15


@pytest.mark.usefixtures("context")
def test_seeding_again_replaces_the_default_password(config, anonymous):
    seed_database(config)
    better = replace(config, billor_env="production", demo_password="something-better")
    seed_database(better)
    assert log_in(anonymous, config.demo_email, config.demo_password) == 401
    assert log_in(anonymous, config.demo_email, "something-better") == 200


@pytest.mark.parametrize("configured", [DEFAULT_DEMO_PASSWORD, "something-better"])
@pytest.mark.usefixtures("context")
def test_seeding_again_keeps_a_password_that_was_changed(config, anonymous, configured):
    seed_database(config)
    set_password(find_user(config.demo_email).id, "my-own-secret")
    seed_database(replace(config, demo_password=configured))
    assert log_in(anonymous, config.demo_email, "my-own-secret") == 200
    assert log_in(anonymous, config.demo_email, configured) == 401


@pytest.mark.usefixtures("context")
def test_the_default_password_is_refused_in_production(config):
    with pytest.raises(SeedRefused, match="DEMO_PASSWORD"):
        seed_database(replace(config, billor_env="production"))
