"""Migrations: they make what the models say, keep rows, and never run twice at once."""

import subprocess
import sys
import uuid
from collections.abc import Iterator

import flask_migrate
import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from psycopg2 import sql
from sqlalchemy import inspect, text

from billor import create_app
from billor.config import load_config
from billor.embedded.launcher import PROJECT
from billor.extensions import db
from billor.seed import seed_database

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
    "failed_logins",
}


@pytest.fixture
def empty_settings(settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """Settings with a database of the test's own, without any tables."""
    server, _, _ = settings["DATABASE_URL"].rpartition("/")
    name = f"test_{uuid.uuid4().hex}"
    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield settings | {"DATABASE_URL": f"{server}/{name}"}
        cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    connection.close()


@pytest.fixture
def empty_app(empty_settings: dict[str, str]) -> Iterator[Flask]:
    app = create_app(load_config(empty_settings))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_upgrading_makes_just_what_the_models_say(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS)
    assert tables() == TABLES
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, db.metadata) == []
        # Which Alembic does not compare: checks, and the conditions of partial indexes.
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


def test_two_migrators_at_once_do_not_break_each_other(empty_settings: dict[str, str]):
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


def test_a_migration_does_not_wait_long_for_a_table_in_use(empty_app: Flask):
    flask_migrate.upgrade(directory=MIGRATIONS)
    with db.engine.connect() as reader:
        reader.execute(text("SELECT 1 FROM load_events"))
        with pytest.raises(Exception, match="lock timeout"):
            flask_migrate.downgrade(directory=MIGRATIONS, revision="base")
    assert tables() == TABLES
