"""Note which transaction wrote an event, so that `GET /changes` misses none.

The default is set after the column is there: with it, PostgreSQL would rewrite the table. Events
from before have none. The index is built concurrently, outside a transaction; the migration may be
interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEX = "ix_load_events_transaction_id"


def _drop_index() -> None:
    op.drop_index(INDEX, "load_events", if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE load_events ADD COLUMN IF NOT EXISTS transaction_id xid8")
        op.execute("ALTER TABLE load_events ALTER transaction_id SET DEFAULT pg_current_xact_id()")
        _drop_index()  # an interrupted build leaves an invalid one
        op.create_index(
            INDEX,
            "load_events",
            ["transaction_id"],
            postgresql_where=sa.text("transaction_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_index()
    op.drop_column("load_events", "transaction_id")
    op.execute("DELETE FROM load_events WHERE type LIKE 'driver.%'")  # which the audit trail has
