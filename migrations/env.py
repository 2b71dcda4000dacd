"""How migrations run: one migrator at a time, each migration in a transaction of its own.

None is in the way of a live system for longer than a moment.
"""

import time

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

# Any number will do, as long as nobody else's application uses it on this database.
MIGRATOR_LOCK = 0x62696C6C6F72
POLL_SECONDS = 0.2


def _become_only_migrator(connection: Connection) -> None:
    """Wait until no other migrator is at work, and keep others waiting until disconnected."""
    # Asked again and again: one that waits inside PostgreSQL would hold up an index that the
    # other builds concurrently, which waits for all older statements.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": MIGRATOR_LOCK}):
        connection.rollback()
        time.sleep(POLL_SECONDS)
    # An index may take its time, but a table in use is not waited for, since all the queries
    # behind a migration would wait with it.
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
            connection.invalidate()  # closing it gives the lock back and forgets the settings


run_migrations()
