"""How migrations run: each `flask db` command in one transaction, one migrator at a time."""

from alembic import context
from flask import current_app
from sqlalchemy import text

# Any number will do, as long as nobody else's application uses it on this database.
MIGRATOR_LOCK = 0x62696C6C6F72


def run_migrations() -> None:
    """Migrate the app's database."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            # A second migrator waits here, and then finds nothing left to do. The wait is for
            # as long as it takes; a table that is in use is not waited for as long, so that the
            # queries behind a migration are not held up.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": MIGRATOR_LOCK})
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            context.run_migrations()


run_migrations()
