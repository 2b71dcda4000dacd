"""Add what `GET /stats` counts by: when loads were completed and cancelled.

Both indexes are partial, so that neither new loads nor imports write to them. They are built
concurrently, outside a transaction; the migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_assignments_completed": (
        "driver_load_assignments",
        ["closed_at"],
        "status = 'COMPLETED'",
    ),
    "ix_load_events_cancelled": ("load_events", ["created_at"], "type = 'load.cancelled'"),
}


def _drop_indexes() -> None:
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_indexes()  # an interrupted build leaves an invalid one
        for name, (table, columns, where) in INDEXES.items():
            op.create_index(
                name,
                table,
                columns,
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_indexes()
