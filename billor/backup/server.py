"""PostgreSQL itself, as a backup and a restore see it before its programs begin."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2 import errors, extensions, sql
from sqlalchemy.engine import make_url

from billor.backup.lock import BACKUP_LOCK
from billor.config import Config
from billor.database import CONNECT_SECONDS, is_pooled
from billor.logs import first_line


class BackupFailed(Exception):
    """A backup or a restore failed, or was refused. The message is one line."""


class Server:
    """A connection to PostgreSQL itself, past a pooler and the app's pool."""

    def __init__(self, url: str, connection: extensions.connection):
        self.url = url
        self._connection = connection

    @property
    def version(self) -> int:
        """The major version."""
        return self._connection.server_version // 10_000

    def ask(self, query: str | sql.Composable) -> Any:
        """Return the only value of the only row."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    def release(self) -> None:
        """End the transaction, and with it all locks."""
        self._connection.commit()

    def has_table(self, name: str) -> bool:
        query = sql.SQL("SELECT to_regclass({}) IS NOT NULL")
        return self.ask(query.format(sql.Literal(f"public.{name}")))

    def revision(self) -> str | None:
        """Return the revision of the tables, or None if there are none."""
        if not self.has_table("alembic_version"):
            return None
        return self.ask("SELECT max(version_num) FROM public.alembic_version")

    def others(self) -> int:
        """Return how many other connections of Billor there are to this database."""
        return self.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'billor' AND pid <> pg_backend_pid()"
        )

    def is_empty(self) -> bool:
        """Return whether no table has a row, but for the revision."""
        tables = self.ask(
            "SELECT coalesce(array_agg(relname::text), '{}') FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND relname <> 'alembic_version'"
        )
        return not any(
            self.ask(sql.SQL("SELECT EXISTS (SELECT FROM public.{})").format(sql.Identifier(table)))
            for table in tables
        )


@contextmanager
def connect_server(config: Config) -> Iterator[Server]:
    """Connect to PostgreSQL itself; a transaction lasts until the end of the block.

    Raises `BackupFailed`.
    """
    url = make_url(config.database_migration_url or config.database_url)
    plain_url = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg2.connect(
            plain_url, connect_timeout=CONNECT_SECONDS, application_name="billor backup"
        )
    except psycopg2.OperationalError as error:
        raise BackupFailed(f"PostgreSQL is away: {first_line(str(error))}") from error
    with closing(connection):
        if is_pooled(connection):
            raise BackupFailed(
                "DATABASE_URL is that of a connection pooler, and PostgreSQL's programs need a "
                "session of their own: set DATABASE_MIGRATION_URL to PostgreSQL itself."
            )
        try:
            yield Server(plain_url, connection)
        except psycopg2.Error as error:
            raise BackupFailed(f"PostgreSQL refuses: {first_line(str(error))}") from error


def take_backup_lock(server: Server) -> datetime:
    """Keep others from a backup and from archiving until the transaction ends; return the time.

    A batch that is being archived is waited for. Raises `BackupFailed` if there is another backup.
    """
    try:
        server.ask("SELECT set_config('lock_timeout', '30s', true)")
        server.ask(f"SELECT pg_advisory_xact_lock({BACKUP_LOCK})::text")
    except errors.LockNotAvailable as error:
        raise BackupFailed("Another backup is being made. Wait for it.") from error
    return server.ask("SELECT clock_timestamp()")
