"""Measures how many bytes a load takes, with all that happens to it until it is delivered."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from bench.environment import Environment
from billor.assignments.bulk import assign_many
from billor.assignments.service import close_assignment
from billor.audit.service import audit_store
from billor.events.event import to_audit_document, to_message
from billor.extensions import db
from billor.loads.service import create_loads
from billor.models import LoadEvent

LOADS = 4_000
AT_ONCE = 500
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
DRIVERS = """
    INSERT INTO drivers (name, license_number, status)
    SELECT 'Alex Carter', 'BENCH-' || n, 'ACTIVE' FROM generate_series(1, :count) AS n
    RETURNING id
"""
PUBLISHED = "UPDATE load_events SET published_at = now() WHERE published_at IS NULL"
RECORDED = "UPDATE load_events SET recorded_at = now() WHERE recorded_at IS NULL"
TABLES = ("loads", "driver_load_assignments", "load_events")


@dataclass(frozen=True)
class Storage:
    """Bytes of a load that was created, assigned and completed.

    In each table with its indexes, and in the audit store (SQLite).
    """

    tables: Mapping[str, float]
    audit: float


def storage(environment: Environment) -> Storage:
    """Take loads through their life by the services, and read the sizes."""
    with environment.app.app_context():
        drivers = list(db.session.scalars(text(DRIVERS), {"count": AT_ONCE}))
        db.session.commit()
        before = _sizes()
        audit_store().prepare()
        audit_file = environment.app.config["BILLOR"].audit_file
        audit_before = audit_file.stat().st_size
        for _ in range(LOADS // AT_ONCE):
            _complete(drivers)
            _record()
            _vacuum()
        return Storage(
            {table: (size - before[table]) / LOADS for table, size in _sizes().items()},
            (audit_file.stat().st_size - audit_before) / LOADS,
        )


def _complete(drivers: list[int]) -> None:
    loads = [row.id for row in create_loads([LOAD] * len(drivers))]
    pairs = [
        {"driver_id": driver, "load_id": load} for driver, load in zip(drivers, loads, strict=True)
    ]
    made = assign_many(pairs)["rows"]
    for each in made:
        close_assignment(each["assignment_id"], "COMPLETED")
    db.session.remove()


def _record() -> None:
    """Do what a worker does."""
    new = db.select(LoadEvent).where(LoadEvent.published_at.is_(None))
    events = db.session.scalars(new.order_by(LoadEvent.created_at))
    documents = [to_audit_document(to_message(event).data) for event in events]
    for start in range(0, len(documents), AT_ONCE):
        audit_store().save(documents[start : start + AT_ONCE])
    for statement in (PUBLISHED, RECORDED):
        db.session.execute(text(statement))
        db.session.commit()


def _vacuum() -> None:
    """Do what PostgreSQL does by itself now and then."""
    with db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM"))


def _sizes() -> dict[str, int]:
    return {
        table: db.session.scalar(db.select(db.func.pg_total_relation_size(table)))
        for table in TABLES
    }
