"""How migrations run: one migrator at a time, each migration in its own transaction.

A lock timeout keeps them from blocking a live system.
"""

import time

from alembic import context
from alembic.operations import MigrationScript
from flask import current_app
from sqlalchemy import Connection, NullPool, PoolProxiedConnection, create_engine, text
from sqlalchemy.exc import OperationalError

from billor.database import CONNECT_ARGS, SESSION_SETTINGS
from billor.observe.logs import first_line

# Arbitrary; no other application on this database may use it.
MIGRATOR_LOCK = 0x62696C6C6F72
POLL_SECONDS = 0.2
POOLED = (
    "DATABASE_URL is that of a connection pooler, and migrations need a session of their own: set "
    "DATABASE_MIGRATION_URL to the address of PostgreSQL itself."
)


def _is_pooled(connection: PoolProxiedConnection) -> bool:
    """Return whether a pooler is in between: its backend ids differ from PostgreSQL's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone() != (connection.get_backend_pid(),)


def _become_only_migrator(connection: Connection) -> None:
    """Take the migrator's lock, which the connection holds until it is closed."""
    # Polled: a statement that waits for the lock would block the other migrator's concurrent build
    # of an index, which waits for all older statements.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": MIGRATOR_LOCK}):
        connection.rollback()
        time.sleep(POLL_SECONDS)
    # Building an index may take long. Waiting for a table's lock may not, because all later queries
    # would wait, too.
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.execute(text("SET timezone = 'UTC'"))
    connection.commit()


def _limit_sessions(connection: Connection) -> None:
    """Make the session settings the role's defaults, so that a pooler's sessions have them, too."""
    quote = connection.dialect.identifier_preparer.quote
    names = connection.execute(text("SELECT current_user, current_database()")).one()
    role, database = map(quote, names)
    for name, value in SESSION_SETTINGS.items():
        connection.execute(text(f"ALTER ROLE {role} IN DATABASE {database} SET {name} = '{value}'"))
    connection.commit()


def _number(_context, _revision, directives: list[MigrationScript]) -> None:
    """Give a new migration the next number: 0002, 0003 and so on."""
    directives[0].rev_id = f"{int(context.get_head_revision()) + 1:04}"


def run_migrations() -> None:
    """Migrate the app's database."""
    config = current_app.config["BILLOR"]
    migrate = current_app.extensions["migrate"]
    engine = create_engine(
        config.database_migration_url or config.database_url,
        poolclass=NullPool,
        connect_args=CONNECT_ARGS,
    )
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise RuntimeError(first_line(str(error.orig))) from error  # shown without a trace
    with connection:
        if _is_pooled(connection.connection):
            raise RuntimeError(POOLED)
        _become_only_migrator(connection)
        context.configure(
            connection=connection,
            target_metadata=migrate.db.metadata,
            transaction_per_migration=True,
            process_revision_directives=_number,
            **migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
        _limit_sessions(connection)


run_migrations()
