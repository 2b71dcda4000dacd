"""Demo data: idempotent, in the requested amount, without the default password in production."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from billor.cli import seed
from billor.cli.seed import DRIVERS, LOADS, seed_database
from billor.config import DEFAULT_DEMO_PASSWORD
from billor.drivers.service import today
from billor.models import Driver, LoadEvent, db
from billor.users.service import find_user, update_user


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
    drivers = db.session.scalars(select(Driver).order_by(Driver.id)).all()
    days = [min(d.license_expires_on, d.medical_expires_on) - today() for d in drivers]
    assert min(days) > timedelta(0)
    assert [left <= timedelta(30) for left in days] == [n == 1 for n in range(10)]
    assert all(re.fullmatch(r"\+121455501\d\d", driver.phone) for driver in drivers)


@pytest.mark.usefixtures("context")
def test_seeding_again_replaces_the_default_password_and_no_other(config, anonymous):
    seed_database(config)
    better = replace(config, billor_env="production", demo_password="something-better")
    seed_database(better)
    assert anonymous.log_in(config.demo_email, config.demo_password).status_code == 401
    assert anonymous.log_in(config.demo_email, "something-better").status_code == 200
    update_user(find_user(config.demo_email).id, password="my-own-secret")
    for configured in (DEFAULT_DEMO_PASSWORD, "something-better"):
        seed_database(replace(config, demo_password=configured))
    assert anonymous.log_in(config.demo_email, "my-own-secret").status_code == 200
