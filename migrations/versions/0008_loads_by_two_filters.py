"""Add an index for each combination of filters of loads, and of assignments, with the status.

They are built concurrently, outside a transaction; the migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LOADS, ASSIGNMENTS = "loads", "driver_load_assignments"
ORIGIN, DESTINATION, CARGO_TYPE = "lower(origin)", "lower(destination)", "lower(cargo_type)"


def _joined(*filters: str) -> str:
    texts = [f"{column}::text" for column in (*filters, "status")]
    return f"({' || chr(31) || '.join(texts)})"


OLD = {
    "ix_loads_created": (LOADS, "created_at", "id"),
    "ix_loads_origin_created": (LOADS, ORIGIN, "created_at", "id"),
    "ix_loads_destination_created": (LOADS, DESTINATION, "created_at", "id"),
    "ix_loads_cargo_type_created": (LOADS, CARGO_TYPE, "created_at", "id"),
    "ix_assignments_driver_id_id": (ASSIGNMENTS, "driver_id", "id"),
    "ix_assignments_load_id_id": (ASSIGNMENTS, "load_id", "id"),
}
NEW = {
    f"ix_loads_{name}_status_created": (LOADS, _joined(*filters), "created_at", "id")
    for name, filters in {
        "origin": [ORIGIN],
        "destination": [DESTINATION],
        "cargo_type": [CARGO_TYPE],
        "origin_destination": [ORIGIN, DESTINATION],
        "origin_cargo_type": [ORIGIN, CARGO_TYPE],
        "destination_cargo_type": [DESTINATION, CARGO_TYPE],
        "origin_destination_cargo_type": [ORIGIN, DESTINATION, CARGO_TYPE],
    }.items()
} | {
    f"ix_assignments_{'_'.join(filters)}_status_id": (ASSIGNMENTS, _joined(*filters), "id")
    for filters in (["driver_id"], ["load_id"], ["driver_id", "load_id"])
}


def _replace(old: dict[str, tuple[str, ...]], new: dict[str, tuple[str, ...]]) -> None:
    with op.get_context().autocommit_block():
        for name, (table, *columns) in new.items():
            _drop(name, table)  # an interrupted build leaves an invalid index
            expressions = [sa.text(column) for column in columns]
            op.create_index(name, table, expressions, postgresql_concurrently=True)
        for name, (table, *_) in old.items():
            _drop(name, table)


def _drop(name: str, table: str) -> None:
    op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    _replace(OLD, NEW)


def downgrade() -> None:
    _replace(NEW, OLD)
