"""Migrations: they match the models, keep all rows, and never run concurrently."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import flask_migrate
import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Connection, Engine, Pool, event, inspect, text

from billor import create_app
from billor.cli.seed import seed_database
from billor.config import load_config
from billor.embedded.launcher import PROJECT
from billor.extensions import db
from billor.revisions import init_migrations
from tests.support.apps import close_connections
from tests.support.databases import own_database
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS, python_environment, wait_until

MIGRATIONS = str(PROJECT / "migrations")
CHECKS = """
    SELECT conname FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace
"""
PARTIAL_INDEXES = """
    SELECT relname, pg_get_expr(indpred, indrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indpred IS NOT NULL
"""
TABLES = {
    "users",
    "drivers",
    "loads",
    "driver_load_assignments",
    "load_events",
    "login_attempts",
    "idempotency_keys",
    "sessions",
}
LATER_TABLES = {"login_attempts", "idempotency_keys", "sessions"}
FIRST_TABLES = sorted(TABLES - LATER_TABLES)
SAMPLE_ROWS = """
    INSERT INTO users (name, email, password_hash) VALUES
        ('Dana', 'dana@billor.example', '$argon2id$…'), ('Silent', 'silent@billor.example', NULL);
    INSERT INTO drivers (name, license_number, status) VALUES
        ('Alex', 'TX-1', 'ACTIVE'), ('Sam', 'TX-2', 'INACTIVE');
    INSERT INTO loads (origin, destination, cargo_type, status) VALUES
        ('Dallas', 'Atlanta', 'Dry van', 'COMPLETED'), ('Dallas', 'Reno', 'Flatbed', 'ASSIGNED');
    INSERT INTO driver_load_assignments (driver_id, load_id, closed_at, status) VALUES
        (1, 1, now(), 'COMPLETED'), (1, 2, NULL, 'ASSIGNED');
    INSERT INTO load_events
        (id, type, load_id, driver_id, assignment_id, payload, request_id, published_at)
    SELECT gen_random_uuid(), type, 1 + number % 2, NULL, NULL, jsonb_build_object('n', number),
        'request-' || number, CASE WHEN number % 3 = 0 THEN now() END
    FROM generate_series(1, 9) AS number, unnest(ARRAY['load.created', 'load.assigned']) AS type;
"""
NEW_EVENT = """
    INSERT INTO load_events (id, type, load_id, payload)
    VALUES (gen_random_uuid(), 'load.updated', 1, '{}')
"""
BUILDING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'
    AND wait_event_type = 'Lock' AND state = 'active'
"""
INDEX_IS_VALID = """
    SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_load_events_unconfirmed'::regclass
"""
LOCK_TIMEOUT = "5s"
ANOTHER_MIGRATION = """
from alembic import op

revision = "another"
down_revision = "{head}"


def upgrade():
    op.execute("CREATE TABLE another (id int)")


def downgrade():
    op.execute("DROP TABLE another")
"""


@pytest.fixture
def empty_settings(settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """Settings with a database of the test's own, without any tables."""
    with own_database(settings) as empty:
        yield empty


@pytest.fixture
def empty_app(empty_settings: dict[str, str]) -> Iterator[Flask]:
    app = create_app(load_config(empty_settings))
    init_migrations(app)
    with app.app_context():
        yield app
    close_connections(app)


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_migrations_create_exactly_what_the_models_declare(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS)
    assert tables() == TABLES
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, db.metadata) == []
        # Alembic does not compare check constraints and the conditions of partial indexes.
        checks = connection.scalars(text(CHECKS))
        assert set(checks) == {
            constraint.name
            for table in db.metadata.tables.values()
            for constraint in table.constraints
            if type(constraint).__name__ == "CheckConstraint"
        }
        assert dict(connection.execute(text(PARTIAL_INDEXES)).all()) == {
            "uq_assignments_active_driver": "((status)::text = 'ASSIGNED'::text)",
            "uq_assignments_active_load": "((status)::text = 'ASSIGNED'::text)",
            "ix_drivers_available": "(((status)::text = 'ACTIVE'::text) AND (NOT has_load))",
            "ix_drivers_unavailable": "(((status)::text <> 'ACTIVE'::text) OR has_load)",
            "ix_drivers_inactive": "((status)::text = 'INACTIVE'::text)",
            "ix_loads_reference_key": "(reference IS NOT NULL)",
            "ix_loads_finished": "((status)::text = ANY ((ARRAY['COMPLETED'::character varying,"
            " 'CANCELLED'::character varying])::text[]))",
            "uq_loads_reference_key": "((reference IS NOT NULL) AND"
            " ((status)::text <> 'CANCELLED'::text))",
            "ix_assignments_completed": "((status)::text = 'COMPLETED'::text)",
            "ix_load_events_cancelled": "((type)::text = 'load.cancelled'::text)",
            "ix_load_events_transaction_id": "(transaction_id IS NOT NULL)",
            "ix_load_events_unpublished": "(published_at IS NULL)",
            "ix_load_events_unconfirmed": "((published_at IS NOT NULL) AND (recorded_at IS NULL))",
        }


def test_a_filled_database_is_upgraded_again_and_downgraded(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS)
    created = seed_database(empty_app.config["BILLOR"])
    db.session.remove()
    flask_migrate.upgrade(directory=MIGRATIONS)
    counted = {
        name: db.session.scalar(text(f"SELECT count(*) FROM {name}"))  # noqa: S608
        for name in created
    }
    assert counted == created
    assert min(counted.values()) > 0
    db.session.remove()
    flask_migrate.downgrade(directory=MIGRATIONS, revision="base")
    assert tables() == set()
    flask_migrate.upgrade(directory=MIGRATIONS)
    assert tables() == TABLES


@pytest.mark.slow
def test_concurrent_migrations_do_not_break_each_other(empty_settings: dict[str, str]):
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    migrators = [
        subprocess.Popen(
            command, cwd=PROJECT, env=empty_settings, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for migrator in migrators:
        _, errors = migrator.communicate(timeout=60)
        assert migrator.returncode == 0, errors
    connection = psycopg2.connect(empty_settings["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM alembic_version")
        assert cursor.fetchone() == (1,)
    connection.close()


def test_a_migration_times_out_on_a_table_in_use(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS, revision="0003")
    before = tables()
    with db.engine.connect() as reader:
        reader.execute(text("SELECT 1 FROM load_events"))
        with pytest.raises(Exception, match="lock timeout"):
            flask_migrate.downgrade(directory=MIGRATIONS, revision="base")
    assert tables() == before


def rows_by_table() -> dict[str, list[dict]]:
    """All rows of the tables of the first migration."""
    with db.engine.connect() as connection:
        return {
            name: [
                dict(row)
                for row in connection.execute(
                    text(f"SELECT * FROM {name} ORDER BY id::text")  # noqa: S608
                ).mappings()
            ]
            for name in FIRST_TABLES
        }


def fill_tables() -> None:
    """Fill all tables of the first migration."""
    with db.engine.begin() as connection:
        connection.execute(text(SAMPLE_ROWS))


def revisions() -> list[str]:
    """All revisions, oldest first."""
    script = ScriptDirectory(MIGRATIONS)
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def test_every_migration_up_and_down_keeps_all_rows(empty_app: Flask):
    first, *later = revisions()
    flask_migrate.upgrade(directory=MIGRATIONS, revision=first)
    fill_tables()
    before = rows_by_table()
    assert all(before.values())
    for revision in later:
        flask_migrate.upgrade(directory=MIGRATIONS, revision=revision)
        after = rows_by_table()
        for name, rows in before.items():
            kept = [{column: row[column] for column in rows[0]} for row in after[name]]
            assert kept == rows, f"{revision}: {name}"
    for revision in reversed([first, *later[:-1]]):
        flask_migrate.downgrade(directory=MIGRATIONS, revision=revision)
    assert rows_by_table() == before


def test_users_of_before_roles_become_admins_and_later_ones_dispatchers(empty_app: Flask):
    before = revisions()[revisions().index("0015") - 1]
    flask_migrate.upgrade(directory=MIGRATIONS, revision=before)
    fill_tables()
    flask_migrate.upgrade(directory=MIGRATIONS)
    insert = "INSERT INTO users (name, email) VALUES ('New', 'new@billor.example')"
    with db.engine.begin() as connection:
        connection.execute(text(insert))  # as a process of the version before does
        users = connection.execute(text("SELECT name, role, is_active FROM users ORDER BY id"))
        assert users.all() == [
            ("Dana", "ADMIN", True),
            ("Silent", "ADMIN", True),
            ("New", "DISPATCHER", True),
        ]


def test_who_could_do_less_cannot_log_in_after_a_downgrade(empty_app: Flask):
    """Before roles everybody may do everything."""
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill_tables()
    users = """
        INSERT INTO users (name, email, password_hash, role, driver_id, is_active) VALUES
            ('Driver', 'driver@billor.example', 'hash', 'DRIVER', 1, true),
            ('Gone', 'gone@billor.example', 'hash', 'ADMIN', NULL, false),
            ('Dispatcher', 'dispatcher@billor.example', 'hash', 'DISPATCHER', NULL, true)
    """
    before = revisions()[revisions().index("0015") - 1]
    with db.engine.begin() as connection:
        connection.execute(text(users))
    flask_migrate.downgrade(directory=MIGRATIONS, revision=before)
    with db.engine.begin() as connection:
        query = "SELECT name FROM users WHERE password_hash = 'hash'"
        assert connection.scalars(text(query)).all() == ["Dispatcher"]


def drivers_with_load() -> list[int]:
    with db.engine.connect() as connection:
        return list(connection.scalars(text("SELECT id FROM drivers WHERE has_load")))


def test_drivers_who_have_a_load_are_marked_by_the_migration(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS, revision="0011")
    fill_tables()
    for _ in range(2):
        flask_migrate.upgrade(directory=MIGRATIONS)
        assert drivers_with_load() == [1]
        flask_migrate.downgrade(directory=MIGRATIONS, revision="0011")


def test_a_driver_who_delivers_during_the_migration_is_not_marked(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill_tables()
    module = ScriptDirectory(MIGRATIONS).get_revision("0012").module
    autocommit = db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.begin() as connection:
        connection.execute(text("UPDATE drivers SET has_load = false"))  # as before the marking
    with rival(empty_app) as delivery, ThreadPoolExecutor(1) as thread, autocommit.connect() as own:
        delivery.execute(
            "UPDATE driver_load_assignments SET status = 'COMPLETED', closed_at = now()"
            " WHERE status = 'ASSIGNED'"
        )
        marking = thread.submit(own.execute, text(module.MARK_EXISTING))
        delivery.wait_until_waited_for()
        delivery.insist()
        marking.result(WAIT_SECONDS)
    assert drivers_with_load() == []


@pytest.fixture
def another_migration(tmp_path) -> str:
    """A folder of all migrations and one more that sets no timeouts."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    *_, head = revisions()
    (folder / "versions" / "another.py").write_text(ANOTHER_MIGRATION.format(head=head))
    return str(folder)


@contextmanager
def listening(target: type, name: str, listener: Callable) -> Iterator[None]:
    event.listen(target, name, listener)
    try:
        yield
    finally:
        event.remove(target, name, listener)


def test_every_migration_statement_has_a_lock_timeout(empty_app: Flask, another_migration: str):
    asked: dict[str, tuple[str, str]] = {}

    def disable_timeouts(connection, _record) -> None:
        # The app's own timeouts are the same, and must not make this test pass.
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0; SET statement_timeout = '15s'")
        connection.commit()

    def ask(connection: Connection, _cursor, statement: str, *_) -> None:
        if statement.split()[0] in ("CREATE", "ALTER", "DROP"):
            with connection.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
                )
                asked[" ".join(statement.split())] = cursor.fetchone()

    with (
        listening(Pool, "connect", disable_timeouts),
        listening(Engine, "before_cursor_execute", ask),
    ):
        flask_migrate.upgrade(directory=another_migration)
        flask_migrate.downgrade(directory=another_migration, revision="base")
    assert {start[:12] for start in asked} >= {"CREATE TABLE", "CREATE INDEX", "ALTER TABLE "}
    assert {"CREATE TABLE another (id int)", "DROP TABLE another"} <= set(asked)
    # A statement may run for long; only its wait for a lock is limited.
    assert {
        statement: set_ for statement, set_ in asked.items() if set_ != (LOCK_TIMEOUT, "0")
    } == {}


@contextmanager
def open_write() -> Iterator[Connection]:
    """Hold a transaction open that has written into `load_events`."""
    with db.engine.connect() as connection:
        connection.execute(text(NEW_EVENT))
        yield connection
        connection.rollback()


def wait_until_it_builds() -> int:
    """Wait until a migration builds an index concurrently; return its backend pid."""

    def building() -> int | None:
        with db.engine.connect() as connection:
            return connection.scalar(text(BUILDING))

    return wait_until(building)


@pytest.fixture
def migrate(
    empty_app: Flask, empty_settings: dict[str, str], pytestconfig: pytest.Config
) -> Iterator[Callable[[], subprocess.Popen]]:
    """Start `flask db upgrade` on a filled database that lacks only what 0003 does."""
    flask_migrate.upgrade(directory=MIGRATIONS, revision="0002")
    fill_tables()
    environment = python_environment(empty_settings, pytestconfig.cache.mkdir("compiled"))
    migrators: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        command = [sys.executable, "-m", "flask", "db", "upgrade"]
        migrators.append(
            subprocess.Popen(
                command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True
            )
        )
        return migrators[-1]

    yield start
    for migrator in migrators:
        migrator.kill()
        migrator.communicate()


def assert_done(migrator: subprocess.Popen) -> None:
    _, errors = migrator.communicate(timeout=60)
    assert migrator.returncode == 0, errors
    with db.engine.connect() as connection:
        assert connection.scalar(text(INDEX_IS_VALID))
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == revisions()[-1]


def test_readers_and_writers_go_on_while_an_index_is_built(migrate):
    with open_write():
        migrator = migrate()
        wait_until_it_builds()
        with db.engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1s'"))
            connection.execute(text(NEW_EVENT))
            connection.execute(
                text("UPDATE load_events SET published_at = now() WHERE load_id = 2")
            )
            assert connection.scalar(text("SELECT count(*) FROM load_events")) == 19
        assert wait_until_it_builds(), "the build must still wait for the open transaction"
    assert_done(migrator)


@pytest.mark.parametrize("postgresql_notices", [True, False])
def test_the_next_migration_repairs_an_index_left_invalid_by_sigkill(migrate, postgresql_notices):
    with open_write():
        killed = migrate()
        backend = wait_until_it_builds()
        killed.kill()
        killed.wait()
        with db.engine.connect() as connection:
            assert not connection.scalar(text(INDEX_IS_VALID))
            if postgresql_notices:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
        # Else the index is still being built when the next migration starts.
        following = migrate()
    assert_done(following)
