"""The mark of drivers who have a load: the same as their assignments, whatever writes these."""

import pytest
from flask import Flask
from sqlalchemy import select, text

from billor.assignments.service import assign, change_status
from billor.drivers.service import create_driver
from billor.loads.service import create_load
from billor.models import Assignment, AssignmentStatus, Driver, db

pytestmark = pytest.mark.usefixtures("assigned")


@pytest.fixture
def assigned(app: Flask, context: None) -> None:
    """Drivers 1, 2 and 3, and as many loads: 1 has an active assignment, 2 had one, 3 none."""
    for number in (1, 2, 3):
        create_driver("Alex Carter", f"TX-{number}")
        create_load(origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van")
    for id_ in (1, 2):
        assign(id_, id_)
    change_status(2, "COMPLETED")


def marked() -> list[int]:
    return list(db.session.scalars(select(Driver.id).where(Driver.has_load).order_by(Driver.id)))


def with_active_assignment() -> list[int]:
    is_active = Assignment.status == AssignmentStatus.ASSIGNED
    return sorted(db.session.scalars(select(Assignment.driver_id).where(is_active)))


INSERT = "INSERT INTO driver_load_assignments (driver_id, load_id, status, closed_at) VALUES "
UPDATE = "UPDATE driver_load_assignments SET "


@pytest.mark.parametrize(
    ("change", "have_a_load"),
    [
        (INSERT + "(3, 3, 'ASSIGNED', NULL)", [1, 3]),
        (INSERT + "(3, 3, 'COMPLETED', now())", [1]),
        (UPDATE + "status = 'ASSIGNED', closed_at = NULL WHERE id = 2", [1, 2]),
        (UPDATE + "status = 'COMPLETED', closed_at = now()", []),
        (UPDATE + "driver_id = 3 WHERE id = 1", [3]),
        (UPDATE + "driver_id = 3 WHERE id = 2", [1]),
        ("DELETE FROM load_events; DELETE FROM driver_load_assignments", []),
        ("TRUNCATE loads CASCADE", []),
    ],
)
def test_assignments_changed_by_hand_keep_the_mark(change: str, have_a_load: list[int]):
    db.session.execute(text(change))
    assert marked() == with_active_assignment() == have_a_load
