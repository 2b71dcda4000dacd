"""Note restores, and let closed assignments be archived before all events of others are read.

Without an index on the id of the assignment in events, its foreign key made each deletion read all
events.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY = "fk_load_events_assignment_id"


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("backup_began_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "restored_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_restores"),
    )
    op.drop_constraint(KEY, "load_events")


def downgrade() -> None:
    # Not validated: that would read all events under a lock.
    op.create_foreign_key(
        KEY,
        "load_events",
        "driver_load_assignments",
        ["assignment_id"],
        ["id"],
        postgresql_not_valid=True,
    )
    op.drop_table("restores")
