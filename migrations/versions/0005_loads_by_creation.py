"""Replace the indexes of loads: lists are now in the order of creation.

They are built concurrently, outside a transaction; the migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FILTERS = {
    "status": "status",
    "origin": "lower(origin)",
    "destination": "lower(destination)",
    "cargo_type": "lower(cargo_type)",
}
OLD = {f"ix_loads_{name}_id": [column, "id"] for name, column in FILTERS.items()}
NEW = {"ix_loads_created": ["created_at", "id"]} | {
    f"ix_loads_{name}_created": [column, "created_at", "id"] for name, column in FILTERS.items()
}


def _replace(old: dict[str, list[str]], new: dict[str, list[str]]) -> None:
    with op.get_context().autocommit_block():
        for name, columns in new.items():
            _drop(name)  # an interrupted build leaves an invalid index
            expressions = [sa.text(column) for column in columns]
            op.create_index(name, "loads", expressions, postgresql_concurrently=True)
        for name in old:
            _drop(name)


def _drop(name: str) -> None:
    op.drop_index(name, "loads", if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    _replace(OLD, NEW)


def downgrade() -> None:
    _replace(NEW, OLD)
