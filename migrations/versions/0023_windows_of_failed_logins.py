"""Count failed logins in windows of one length."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("login_attempts")
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_attempts"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_login_attempts_ends_at", "login_attempts", ["ends_at"])


def downgrade() -> None:
    raise NotImplementedError("the first release begins here")
