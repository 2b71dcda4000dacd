"""A new load was updated when it was created.

The clock is read for each column, and may tick in between.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _set_defaults(time: str) -> None:
    for column in ("created_at", "updated_at"):
        op.execute(f"ALTER TABLE loads ALTER COLUMN {column} SET DEFAULT {time}")


def upgrade() -> None:
    _set_defaults("statement_timestamp()")


def downgrade() -> None:
    _set_defaults("clock_timestamp()")
