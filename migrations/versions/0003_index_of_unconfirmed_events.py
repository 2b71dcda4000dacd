"""Add an index of the events that were published but not yet confirmed.

It is built concurrently, outside a transaction; hence a migration of its own, which may be
interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = "ix_load_events_unconfirmed"


def _drop() -> None:
    op.drop_index(INDEX, "load_events", if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()  # an interrupted build leaves an invalid index
        op.create_index(
            INDEX,
            "load_events",
            ["published_at"],
            postgresql_where=sa.text("published_at IS NOT NULL AND recorded_at IS NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()
