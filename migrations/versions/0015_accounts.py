"""Add roles, deactivation and sessions to users, and events of accounts to the outbox.

Users who exist are admins: until now everybody was allowed everything. New rows are dispatchers
unless told, also those that a process of the version before inserts during an upgrade.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

DRIVERS_USER = "(role = 'DRIVER') = (driver_id IS NOT NULL)"


def upgrade() -> None:
    op.add_column("users", sa.Column("role", sa.String(16), nullable=False, server_default="ADMIN"))
    op.alter_column("users", "role", server_default="DISPATCHER")
    op.create_check_constraint(
        op.f("ck_users_role"), "users", "role IN ('ADMIN', 'DISPATCHER', 'DRIVER')"
    )
    op.add_column("users", sa.Column("driver_id", sa.BigInteger))
    op.create_foreign_key("fk_users_driver_id", "users", "drivers", ["driver_id"], ["id"])
    op.create_check_constraint(op.f("ck_users_driver_id"), "users", DRIVERS_USER)
    op.add_column(
        "users", sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true())
    )
    op.add_column(
        "users", sa.Column("epoch", sa.Integer, nullable=False, server_default=sa.text("0"))
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column(
            "refreshed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.alter_column("load_events", "load_id", nullable=True)
    op.add_column("load_events", sa.Column("user_id", sa.BigInteger))
    op.add_column(
        "login_attempts",
        sa.Column("is_reported", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    op.drop_column("login_attempts", "is_reported")
    op.execute("DELETE FROM load_events WHERE load_id IS NULL")  # which the audit trail has
    op.drop_column("load_events", "user_id")
    op.alter_column("load_events", "load_id", nullable=False)
    op.drop_table("sessions")
    # Before roles everybody may do everything: who could do less must not log in.
    op.execute("UPDATE users SET password_hash = NULL WHERE NOT is_active OR role = 'DRIVER'")
    for column in ("epoch", "is_active", "driver_id", "role"):
        op.drop_column("users", column)
