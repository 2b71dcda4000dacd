"""Guarantee 15: what a backup has comes back, once, though all else is destroyed under load."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from billor.auth.service import issue_token
from billor.extensions import db
from billor.models import User
from tests.support.databases import own_database
from tests.support.system import Dispatcher, System, migrate
from tests.support.worker import wait_until

ACTIVE = "SELECT driver_id FROM driver_load_assignments WHERE status = 'ASSIGNED'"
DESTROY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def doomed_settings(stack, settings) -> dict[str, str]:
    """Settings with a database of the test's own, and the in-process bus."""
    doomed = stack.enter_context(own_database(settings))
    migrate(doomed["DATABASE_URL"])
    return doomed


@pytest.fixture
def doomed(stack, doomed_settings, tmp_path, compiled) -> System:
    return stack.enter_context(System(doomed_settings, tmp_path, compiled))


@pytest.fixture
def doomed_on_pubsub(stack, doomed_settings, pubsub, tmp_path, compiled) -> System:
    return stack.enter_context(System(doomed_settings | pubsub.settings, tmp_path, compiled))


def flask(system: System, *args: object) -> None:
    """Run a command on the system's data, from this process."""
    done = system.app.test_cli_runner().invoke(args=[str(arg) for arg in args])
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    let_go(system)


def let_go(system: System) -> None:
    """Close this process's connections to the database."""
    with system.app.app_context():
        db.session.remove()
        db.engine.dispose()


def destroy(system: System) -> None:
    """Lose all data of PostgreSQL and of the audit store."""
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text(DESTROY))
    let_go(system)
    system.couch.databases.clear()


def log_in_again(system: System) -> None:
    with system.app.app_context():
        system.token = issue_token(db.session.get_one(User, 1))
        db.session.remove()


def restore_under_load(system: System, folder: Path, dispatchers: int, rounds: int) -> None:
    """Back up and destroy a busy system, restore it, and check that it goes on as it was."""
    api, worker = system.start_api(), system.start_worker()
    with ExitStack() as busy:
        threads = [
            busy.enter_context(Dispatcher(system.connect(api.client.port), n))
            for n in range(dispatchers)
        ]
        for thread in threads:
            thread.wait_for_rounds(rounds)
        wait_until(system.recorded)
        before = system.committed()
        flask(system, "backup", folder)
        after = system.committed()
        for thread in threads:
            thread.wait_for_rounds(rounds)
        api.kill()
        worker.kill()
    destroy(system)
    flask(system, "restore", folder)

    restored = system.committed()
    assert before.items() <= restored.items() <= after.items()
    log_in_again(system)
    api, worker = system.start_api(), system.start_worker()
    with Dispatcher(system.connect(api.client.port), dispatchers) as dispatcher:
        dispatcher.wait_for_rounds(rounds)
        assert not dispatcher.problems
    committed = system.assert_converges()
    assert restored.items() <= committed.items()
    assert not system.assigned() - system.notified(), "each driver was told"
    with system.app.app_context(), db.engine.connect() as connection:
        drivers = connection.scalars(text(ACTIVE)).all()
    assert len(drivers) == len(set(drivers))


def test_a_destroyed_system_is_restored_and_goes_on(doomed, tmp_path):
    restore_under_load(doomed, tmp_path / "backup", dispatchers=1, rounds=5)


@pytest.mark.slow
def test_messages_of_what_is_no_more_are_not_recorded(doomed_on_pubsub, tmp_path):
    """The bus keeps messages of changes that the backup does not have."""
    restore_under_load(doomed_on_pubsub, tmp_path / "backup", dispatchers=4, rounds=40)
