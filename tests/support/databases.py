"""Databases of a test's own."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg2
from psycopg2 import sql


@contextmanager
def own_database(settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The settings with a new database, without any tables, which is dropped after the block.
    Nobody may be connected to it then."""
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
