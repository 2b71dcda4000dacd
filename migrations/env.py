"""How migrations run: one migrator at a time, each migration in its own transaction.

A lock timeout keeps them from blocking a live system.
"""

import time

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

# Arbitrary, but no other application on this database may use it.
MIGRATOR_LOCK = 0x62696C6C6F72
POLL_SECONDS = 0.2


def _become_only_migrator(connection: Connection) -> None:
    """Take the migrator's lock, which the connection holds until it is closed."""
    # Polled: a statement that waits for the lock would block the other migrator's concurrent build
    # of an index, which waits for all older statements.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": MIGRATOR_LOCK}):
        connection.rollback()
        time.sleep(POLL_SECONDS)
    # Building an index may take long. Waiting for a table's lock may not: all queries behind the
    # migration would wait, too.
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()


def run_migrations() -> None:
    """Migrate the app's database."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        try:
            _become_only_migrator(connection)
            context.configure(
                connection=connection,
                target_metadata=database.metadata,
                transaction_per_migration=True,
                **current_app.extensions["migrate"].configure_args,
            )
            with context.begin_transaction():
                context.run_migrations()
        finally:
            connection.invalidate()  # closing it releases the lock and resets the settings


run_migrations()
