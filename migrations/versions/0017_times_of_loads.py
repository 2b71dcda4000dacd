"""Give loads a time to be picked up at, and one to be delivered by.

Locks are short: the constraint is checked, and the index built, without blocking changes. The
migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

COLUMNS = ("pickup_at", "deliver_by")
CONSTRAINT = "ck_loads_deliver_by"
INDEX = "ix_loads_status_pickup"
# Loads without one come last.
PICKUP = "coalesce(pickup_at, '9999-12-31 23:59:59.999999+00'::timestamptz)"


def _drop_index() -> None:
    op.drop_index(INDEX, "loads", if_exists=True, postgresql_concurrently=True)


def _drop_constraint() -> None:
    op.execute(f"ALTER TABLE loads DROP CONSTRAINT IF EXISTS {CONSTRAINT}")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name in COLUMNS:
            op.add_column("loads", sa.Column(name, TIMESTAMP(timezone=True)), if_not_exists=True)
        _drop_constraint()
        op.create_check_constraint(
            op.f(CONSTRAINT), "loads", "deliver_by >= pickup_at", postgresql_not_valid=True
        )
        op.execute(f"ALTER TABLE loads VALIDATE CONSTRAINT {CONSTRAINT}")
        _drop_index()
        op.create_index(
            INDEX, "loads", ["status", sa.text(PICKUP), "id"], postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_index()
        _drop_constraint()
        for name in reversed(COLUMNS):
            op.drop_column("loads", name, if_exists=True)
