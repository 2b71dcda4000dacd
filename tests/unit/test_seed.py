"""Demo data: idempotent, in the requested amount, without the default password in production."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select

from billor.cli import seed
from billor.cli.seed import DRIVERS, LOADS, seed_database
from billor.config import DEFAULT_DEMO_PASSWORD, ConfigError
from billor.models import Driver, Load, LoadEvent, db
from billor.users.service import find_user, set_password


def log_in(anonymous, email: str, password: str) -> int:
    return anonymous.post("/auth/login", {"email": email, "password": password}).status_code


@pytest.fixture
def small_chunks(context, monkeypatch):
    monkeypatch.setattr(seed, "CHUNK_ROWS", 4)


@pytest.mark.usefixtures("small_chunks")
def test_seeding_tops_up_to_a_number_with_an_event_for_each_row(config):
    assert seed_database(config) == {"users": 1, "drivers": len(DRIVERS), "loads": len(LOADS)}
    assert seed_database(config) == {"users": 0, "drivers": 0, "loads": 0}
    assert seed_database(config, drivers=10, loads=20) == {"users": 0, "drivers": 7, "loads": 16}
    assert seed_database(config, drivers=1, loads=21) == {"users": 0, "drivers": 0, "loads": 1}
    types = Counter(db.session.scalars(select(LoadEvent.type)))
    assert types == {"user.created": 1, "driver.created": 10, "load.created": 21}


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_seed_keeps_whole_chunks_and_the_next_one_continues(config, monkeypatch):
    create, calls = seed.create_loads, []

    def interrupted(rows):
        calls.append(rows)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return create(rows)

    monkeypatch.setattr(seed, "create_loads", interrupted)
    with pytest.raises(KeyboardInterrupt):
        seed_database(config, drivers=10, loads=20)
    assert db.session.scalar(select(func.count()).select_from(Load)) == 8
    assert seed_database(config, drivers=10, loads=20) == {"users": 0, "drivers": 0, "loads": 12}


@pytest.mark.usefixtures("context")
def test_seeded_rows_are_varied_and_mostly_soon(config):
    seed_database(config, drivers=100, loads=300)
    loads, now = db.session.scalars(select(Load)).all(), datetime.now(UTC)
    assert not [load for load in loads if load.origin == load.destination]
    assert len({load.origin for load in loads}) > 20
    assert len(set(db.session.scalars(select(Driver.name)))) > 20
    assert 1 <= sum(load.pickup_at < now for load in loads) <= 60
    assert all(load.pickup_at < min(load.deliver_by, now + timedelta(days=4)) for load in loads)


@pytest.mark.usefixtures("small_chunks")
def test_license_numbers_stay_unique_after_drivers_were_removed(config):
    seed_database(config, drivers=12)
    removed = [1, 5, 6, 12]
    db.session.execute(delete(LoadEvent).where(LoadEvent.driver_id.in_(removed)))
    db.session.execute(delete(Driver).where(Driver.id.in_(removed)))
    db.session.commit()
    assert seed_database(config, drivers=30)["drivers"] == 22
    assert len(set(db.session.scalars(select(Driver.license_number)))) == 30


@pytest.mark.usefixtures("context")
def test_seeding_again_replaces_the_default_password_and_no_other(config, anonymous):
    seed_database(config)
    better = replace(config, billor_env="production", demo_password="something-better")
    seed_database(better)
    assert log_in(anonymous, config.demo_email, config.demo_password) == 401
    assert log_in(anonymous, config.demo_email, "something-better") == 200
    set_password(find_user(config.demo_email).id, "my-own-secret")
    for configured in (DEFAULT_DEMO_PASSWORD, "something-better"):
        seed_database(replace(config, demo_password=configured))
    assert log_in(anonymous, config.demo_email, "my-own-secret") == 200


@pytest.mark.usefixtures("context")
def test_the_default_password_is_refused_in_production(config):
    with pytest.raises(ConfigError, match="DEMO_PASSWORD"):
        seed_database(replace(config, billor_env="production"))
