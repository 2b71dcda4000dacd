"""Index unconfirmed events in the order of their creation, for the age of the oldest.

An event that is published again has a new time of publication. The index is built concurrently,
outside a transaction, beside the old one; the migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEX, BUILT = "ix_load_events_unconfirmed", "ix_load_events_unconfirmed_built"


def _drop(name: str) -> None:
    op.drop_index(name, "load_events", if_exists=True, postgresql_concurrently=True)


def _replace(*columns: str) -> None:
    with op.get_context().autocommit_block():
        _drop(BUILT)  # an interrupted build leaves an invalid index
        op.create_index(
            BUILT,
            "load_events",
            columns,
            postgresql_where=sa.text("published_at IS NOT NULL AND recorded_at IS NULL"),
            postgresql_concurrently=True,
        )
        _drop(INDEX)
        op.execute(f"ALTER INDEX {BUILT} RENAME TO {INDEX}")


def upgrade() -> None:
    _replace("created_at", "published_at")


def downgrade() -> None:
    _replace("published_at")
