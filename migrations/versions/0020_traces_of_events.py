"""Keep the `traceparent` of a request with its events, so that a trace goes on where they do.

Events from before have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("load_events", sa.Column("traceparent", sa.Text))


def downgrade() -> None:
    op.drop_column("load_events", "traceparent")
