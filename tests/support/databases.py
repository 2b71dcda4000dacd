"""Databases of a test's own, and connections of their admin."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg2
from flask import Flask
from psycopg2 import extensions, sql
from sqlalchemy import Row, text
from sqlalchemy.engine import make_url

from billor.models import db
from scripts.launcher.services import ADMIN

ADMIN_PASSWORD = "test-admin-password"


def run_sql(app: Flask, statement: str, **values) -> list[Row]:
    """Run a statement in a transaction of its own; return the rows that it has found."""
    with app.app_context(), db.engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


@contextmanager
def own_database(settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The settings with a new, empty database.

    It is dropped after the block, without open connections.
    """
    server, _, _ = settings["DATABASE_URL"].rpartition("/")
    name = f"test_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            try:
                yield {**settings, "DATABASE_URL": f"{server}/{name}"}
            finally:
                cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def admins(url: str) -> str:
    """The URL with which the admin of an embedded server connects to the same database."""
    url = make_url(url).set(username=ADMIN, password=ADMIN_PASSWORD)
    return url.render_as_string(hide_password=False)


@contextmanager
def as_admin(url: str) -> Iterator[extensions.cursor]:
    """A cursor of an embedded server's admin; each statement is a transaction."""
    with closing(psycopg2.connect(admins(url))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
