"""The promises hold behind a transaction pooler, whose few sessions are shared."""

import logging
from collections.abc import Iterator
from functools import partial
from itertools import product

import pytest
from sqlalchemy import text

from billor import create_app
from billor.config import load_config
from billor.database import SESSION_SETTINGS, upgrade
from billor.models import db
from tests.guarantees.conftest import start_pooler
from tests.guarantees.test_one_active_load import (
    assert_events_tell_what_happened,
    assert_rule_holds,
)
from tests.guarantees.test_outages import assert_only_our_log_lines
from tests.support.races import at_once
from tests.support.system import Service, System, start_postgresql

pytestmark = pytest.mark.slow

RIVALS = 5
UNUSED = {"JWT_SECRET_KEY": "unused" * 6}


@pytest.fixture(scope="module")
def pooler(tmp_path_factory) -> Iterator[Service]:
    """PgBouncer in front of a PostgreSQL of its own, whose role has no limits yet."""
    folder = tmp_path_factory.mktemp("pooler")
    postgresql = start_postgresql(folder)
    pooler = start_pooler(postgresql, folder)
    yield pooler
    pooler.stop()
    postgresql.stop()


@pytest.fixture
def pooled_system(pooler, redis, pubsub, tmp_path, compiled) -> Iterator[System]:
    migrate(pooler.settings)
    with System(pooler.settings | redis.settings | pubsub.settings, tmp_path, compiled) as system:
        yield system


def migrate(settings: dict[str, str]) -> None:
    with create_app(load_config(settings | UNUSED)).app_context():
        upgrade()


def test_migrations_ask_for_the_address_behind_a_pooler(pooler, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit):
        migrate({"DATABASE_URL": pooler.settings["DATABASE_URL"]})
    (message,) = caplog.messages
    assert "DATABASE_MIGRATION_URL" in message


def test_sessions_of_a_pooler_have_the_limits_of_ours(pooler):
    migrate(pooler.settings)
    pooler.restart()  # sessions from before keep what they had
    with create_app(load_config(pooler.settings | UNUSED)).app_context():
        with db.engine.connect() as connection:
            found = {name: connection.scalar(text(f"SHOW {name}")) for name in SESSION_SETTINGS}
        db.engine.dispose()
    assert found == SESSION_SETTINGS


def test_the_rule_and_the_trail_hold_behind_a_pooler(pooled_system):
    api = pooled_system.start_whole_api(workers=3)
    pooled_system.start_worker()
    drivers = [api.client.make_driver(f"POOLED-{number}") for number in range(RIVALS)]
    loads = [api.client.make_load() for _ in range(RIVALS)]

    def assign_and_cancel(driver: dict, load: dict) -> set[int]:
        reply = api.client.assign(driver, load)
        id_ = reply.body.get("assignmentId" if reply.status == 409 else "id")
        closed = [] if id_ is None else [api.client.close_assignment(id_, "CANCELLED")]
        return {reply.status, *(each.status for each in closed)}

    calls = [partial(assign_and_cancel, *pair) for pair in product(drivers, loads)]
    assert set().union(*at_once(api, calls)) == {200, 201, 409}
    with pooled_system.app.app_context():
        assert_events_tell_what_happened({driver["id"] for driver in drivers})
        db.session.remove()
    api.client.assign(drivers[0], loads[0])
    with pooled_system.app.app_context():
        assert_rule_holds()
        db.session.remove()
    pooled_system.assert_converges()
    assert_only_our_log_lines(pooled_system)
