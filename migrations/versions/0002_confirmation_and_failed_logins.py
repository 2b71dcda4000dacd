"""Add the time when an event was confirmed as recorded, and a table of failed logins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "load_events", sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.create_table(
        "failed_logins",
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("window_ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_failed_logins"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_failed_logins_window_ends_at", "failed_logins", ["window_ends_at"])


def downgrade() -> None:
    op.drop_table("failed_logins")
    op.drop_column("load_events", "recorded_at")
