"""Give loads a reference, the shipper's order number.

Indexes are built concurrently, outside a transaction; the migration may be interrupted and run
again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.text("canonical_key(reference)")
LIST, UNIQUE = "ix_loads_reference_key_created", "uq_loads_reference_key"
# PostgreSQL does not use those that it has of a partial index: it would expect each reference 1 in
# 200 times, and read another filter's index besides.
STATISTICS = "st_loads_reference_key"


def _drop_indexes() -> None:
    for name in (LIST, UNIQUE):
        op.drop_index(name, "loads", if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.add_column("loads", sa.Column("reference", sa.String(64)), if_not_exists=True)
        _drop_indexes()  # an interrupted build leaves an invalid index
        op.create_index(
            LIST,
            "loads",
            [KEY, "created_at", "id"],
            postgresql_where=sa.text("reference IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.create_index(
            UNIQUE,
            "loads",
            [KEY],
            unique=True,
            postgresql_where=sa.text("reference IS NOT NULL AND status <> 'CANCELLED'"),
            postgresql_concurrently=True,
        )
        op.execute(f"CREATE STATISTICS IF NOT EXISTS {STATISTICS} ON ({KEY}) FROM loads")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_indexes()
        op.execute(f"DROP STATISTICS IF EXISTS {STATISTICS}")
    op.drop_column("loads", "reference")
