"""The loss of all data of a busy system, and its restore from a backup."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from sqlalchemy import text

from billor.auth.service import issue_token
from billor.extensions import db
from billor.models import User
from tests.support.apps import close_connections
from tests.support.system import Dispatcher, System
from tests.support.worker import wait_until

DRIVERS_WITH_LOAD = "SELECT driver_id FROM driver_load_assignments WHERE status = 'ASSIGNED'"
DESTROY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
CONVERGE_SECONDS = 300
"""As long as Google's emulator keeps the messages of a killed consumer, and more."""

# Told of each step by its name, whose block it is.
Step = Callable[[str], AbstractContextManager]


def flask(system: System, *args: object) -> None:
    """Run a command on the system's data, from this process."""
    done = system.app.test_cli_runner().invoke(args=[str(arg) for arg in args])
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    close_connections(system.app)


def destroy(system: System) -> None:
    """Lose all data of PostgreSQL and of the audit store."""
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text(DESTROY))
    close_connections(system.app)
    system.couch.databases.clear()


def log_in_again(system: System) -> None:
    with system.app.app_context():
        system.token = issue_token(db.session.get_one(User, 1))
        db.session.remove()


def lose_and_restore(
    system: System, folder: Path, dispatchers: int, rounds: int, step: Step = nullcontext
) -> None:
    """Back up and destroy a busy system, restore it, and check that it goes on as it was.

    The database must be the system's own.
    """
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
        with step("backup under load"):
            flask(system, "backup", folder)
        after = system.committed()
        for thread in threads:
            thread.wait_for_rounds(rounds)
        api.kill()
        worker.kill()
    destroy(system)
    with step("restore"):
        flask(system, "restore", folder)

    restored = system.committed()
    assert before.items() <= restored.items() <= after.items()
    log_in_again(system)
    with step("start"):
        api, worker = system.start_api(), system.start_worker()
    with Dispatcher(system.connect(api.client.port), dispatchers) as dispatcher:
        dispatcher.wait_for_rounds(rounds)
        assert not dispatcher.problems
    with step("the last event in the audit trail"):
        committed = system.assert_converges(CONVERGE_SECONDS)
    assert restored.items() <= committed.items()
    assert not system.assigned() - system.notified(), "each driver was told"
    with system.app.app_context(), db.engine.connect() as connection:
        drivers = connection.scalars(text(DRIVERS_WITH_LOAD)).all()
    assert len(drivers) == len(set(drivers))
