"""Mark drivers who have a load, and list assignments in the order of their time.

Locks of tables are short: rows are marked in batches, and indexes are built concurrently, outside a
transaction. The migration may be interrupted and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DRIVERS, ASSIGNMENTS = "drivers", "driver_load_assignments"
MARK = """
CREATE OR REPLACE FUNCTION mark_drivers_with_load() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE drivers SET has_load = false WHERE has_load;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.status = 'ASSIGNED' THEN
        UPDATE drivers SET has_load = false WHERE id = OLD.driver_id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status = 'ASSIGNED' THEN
        UPDATE drivers SET has_load = true WHERE id = NEW.driver_id;
    END IF;
    RETURN NULL;
END
$$
"""
TRIGGERS = {
    "mark_drivers_with_load": "INSERT OR DELETE OR UPDATE OF driver_id, status",
    "unmark_drivers": "TRUNCATE",
}
# From here on the triggers keep the marks. Drivers are locked first, as by an assignment, and the
# second statement sees what has been committed by then.
MARK_EXISTING = """
DO $$
DECLARE
    first bigint;
BEGIN
    FOR first IN SELECT generate_series(min(id), max(id), 1000) FROM drivers LOOP
        PERFORM FROM drivers WHERE id BETWEEN first AND first + 999 FOR NO KEY UPDATE;
        UPDATE drivers SET has_load = true
        WHERE id BETWEEN first AND first + 999 AND NOT has_load AND EXISTS (
            SELECT FROM driver_load_assignments AS assignment
            WHERE assignment.driver_id = drivers.id AND assignment.status = 'ASSIGNED'
        );
        COMMIT;
    END LOOP;
END
$$
"""


def _joined(*filters: str) -> str:
    return f"({' || chr(31) || '.join(f'{column}::text' for column in (*filters, 'status'))})"


FILTERS = [(), ("driver_id",), ("load_id",), ("driver_id", "load_id")]
# The tables, columns and conditions of indexes, by name.
Indexes = dict[str, tuple[str, list[str], str | None]]


def _of_assignments(name: str, *order: str) -> Indexes:
    return {
        f"ix_assignments_{'_'.join((*filters, 'status', name))}": (
            ASSIGNMENTS,
            [_joined(*filters) if filters else "status", *order],
            None,
        )
        for filters in FILTERS
    }


OLD: Indexes = {
    "ix_drivers_status_id": (DRIVERS, ["status", "id"], None),
    **_of_assignments("id", "id"),
}
NEW: Indexes = {
    "ix_drivers_available": (DRIVERS, ["id"], "status = 'ACTIVE' AND NOT has_load"),
    "ix_drivers_busy": (DRIVERS, ["id"], "status = 'ACTIVE' AND has_load"),
    "ix_drivers_inactive": (DRIVERS, ["id"], "status = 'INACTIVE'"),
    **_of_assignments("assigned", "assigned_at", "id"),
}


def _replace(old: Indexes, new: Indexes) -> None:
    for name, (table, columns, condition) in new.items():
        _drop(name, table)  # an interrupted build leaves an invalid index
        op.create_index(
            name,
            table,
            [sa.text(column) for column in columns],
            postgresql_where=sa.text(condition) if condition else None,
            postgresql_concurrently=True,
        )
    for name, (table, *_) in old.items():
        _drop(name, table)


def _drop(name: str, table: str) -> None:
    op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def upgrade() -> None:
    op.add_column(
        DRIVERS,
        sa.Column("has_load", sa.Boolean, nullable=False, server_default=sa.false()),
        if_not_exists=True,
    )
    op.execute(MARK)
    for name, events in TRIGGERS.items():
        rows = "STATEMENT" if events == "TRUNCATE" else "ROW"
        op.execute(
            f"CREATE OR REPLACE TRIGGER {name} AFTER {events} ON {ASSIGNMENTS}"
            f" FOR EACH {rows} EXECUTE FUNCTION mark_drivers_with_load()"
        )
    with op.get_context().autocommit_block():
        op.execute(MARK_EXISTING)
        _replace(OLD, NEW)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _replace(NEW, OLD)
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {ASSIGNMENTS}")
    op.execute("DROP FUNCTION IF EXISTS mark_drivers_with_load()")
    op.drop_column(DRIVERS, "has_load", if_exists=True)
