"""Migrations: they match the models, keep all rows, and never run concurrently."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Connection, Engine, MetaData, Table, event, inspect, text

from billor import create_app
from billor.config import load_config
from billor.database import init_migrations
from billor.models import db
from scripts.launcher.launcher import PROJECT
from tests.support.apps import close_connections
from tests.support.databases import own_database
from tests.support.worker import WAIT_SECONDS

MIGRATIONS = str(PROJECT / "migrations")
LAST_RELEASE = "0001"
"""The newest revision of the last release. Change it when a release is tagged, not before."""
ROWS = """
    INSERT INTO drivers (name, license_number, status) VALUES ('Alex', 'TX-1', 'ACTIVE');
    INSERT INTO users (name, email, role, driver_id)
        VALUES ('Dana', 'dana@billor.example', 'ADMIN', NULL), ('Alex', 'a@b.example', 'DRIVER', 1);
    INSERT INTO loads (origin, destination, cargo_type, reference, status)
        VALUES ('Dallas', 'Łódź', 'Dry van', 'PO-1', 'ASSIGNED'), ('A', 'B', 'C', NULL, 'OPEN');
    INSERT INTO driver_load_assignments (driver_id, load_id, status) VALUES (1, 1, 'ASSIGNED');
    INSERT INTO load_events (id, type, load_id, payload)
        VALUES (gen_random_uuid(), 'load.created', 1, '{"load": {"id": 1}}');
"""
"""Rows for the tables of the last release."""
DEFINITIONS = text("""
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    UNION ALL
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
""")
LIMITS = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
ANOTHER_MIGRATION = """
from alembic import op

revision = "another"
down_revision = "{head}"


def upgrade():
    op.execute("ALTER TABLE loads ADD another int")


def downgrade():
    op.execute("ALTER TABLE loads DROP another")
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


@pytest.fixture
def with_another(tmp_path: Path) -> str:
    """The migrations, and one more, as a later release has it."""
    folder = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    another = ANOTHER_MIGRATION.format(head=ScriptDirectory(MIGRATIONS).get_current_head())
    (folder / "versions" / "another.py").write_text(another)
    return str(folder)


def rows_of(tables: Iterable[Table]) -> dict[str, list[tuple]]:
    """All rows by table, with the columns that the table had when it was reflected."""
    with db.engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=str)
            for table in tables
        }


def test_migrations_create_exactly_what_the_models_declare(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, db.metadata) == []
        # Alembic does not compare check constraints and the conditions of indexes.
        migrated = dict(connection.execute(DEFINITIONS).all())
        db.metadata.drop_all(connection)
        db.metadata.create_all(connection)
        assert migrated == dict(connection.execute(DEFINITIONS).all())


def test_migrations_from_the_last_release_keep_every_row(empty_app: Flask, with_another: str):
    flask_migrate.upgrade(directory=with_another, revision=LAST_RELEASE)
    with db.engine.begin() as connection:
        connection.exec_driver_sql(ROWS)
    then = MetaData()
    then.reflect(db.engine)
    tables = [table for name, table in then.tables.items() if name != "alembic_version"]
    before = rows_of(tables)
    assert sum(map(len, before.values())) == 7
    for _ in range(2):
        flask_migrate.upgrade(directory=with_another)
        assert rows_of(tables) == before
    flask_migrate.downgrade(directory=with_another, revision=LAST_RELEASE)
    assert rows_of(tables) == before


def test_a_downgrade_to_nothing_leaves_nothing(empty_app: Flask):
    for _ in range(2):
        flask_migrate.upgrade(directory=MIGRATIONS)
        flask_migrate.downgrade(directory=MIGRATIONS, revision="base")
        assert inspect(db.engine).get_table_names() == ["alembic_version"]
        own = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        assert db.session.scalar(text(own)) == 0
        db.session.remove()


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
        _, errors = migrator.communicate(timeout=4 * WAIT_SECONDS)
        assert migrator.returncode == 0, errors


def test_every_migration_statement_waits_briefly_and_may_run_for_long(
    empty_app: Flask, with_another: str
):
    limits: dict[str, tuple[str, str]] = {}

    def ask(connection: Connection, _cursor, statement: str, *_) -> None:
        if statement.split()[0] in ("CREATE", "ALTER", "DROP"):
            with connection.connection.cursor() as cursor:
                cursor.execute(LIMITS)
                limits[" ".join(statement.split())[:40]] = cursor.fetchone()

    event.listen(Engine, "before_cursor_execute", ask)
    try:
        flask_migrate.upgrade(directory=with_another)
        flask_migrate.downgrade(directory=with_another, revision="base")
    finally:
        event.remove(Engine, "before_cursor_execute", ask)
    assert len(limits) > 20
    assert set(limits.values()) == {("5s", "0")}
