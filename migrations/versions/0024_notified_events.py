"""Mark notified events in the outbox; drop the table that did so, and an unused one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = postgresql.TIMESTAMP(timezone=True)
    op.add_column("load_events", sa.Column("notified_at", time, nullable=True))
    op.execute(
        "UPDATE load_events SET notified_at = sent_at FROM notifications WHERE event_id = id"
    )
    op.drop_table("notifications")
    op.drop_table("restores")


def downgrade() -> None:
    raise NotImplementedError("Restore a backup instead.")
