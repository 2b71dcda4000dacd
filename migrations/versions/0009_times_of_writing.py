"""Default times to the time of writing, not of the transaction's start.

So they are in the order of changes that wait for the same row's lock. Existing rows keep theirs.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = {
    "users": ["created_at"],
    "drivers": ["created_at"],
    "loads": ["created_at", "updated_at"],
    "driver_load_assignments": ["assigned_at"],
}


def _set_defaults(time: str) -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {time}")


def upgrade() -> None:
    _set_defaults("clock_timestamp()")


def downgrade() -> None:
    _set_defaults("now()")
