"""The mark of drivers who have a load: the same as their assignments, whatever writes these."""

import pytest
from sqlalchemy import select, text

from billor.assignments.service import assign, change_status
from billor.drivers.service import create_driver
from billor.loads.service import create_load
from billor.models import Driver, db

INSERT = "INSERT INTO driver_load_assignments (driver_id, load_id, status, closed_at) VALUES "
UPDATE = "UPDATE driver_load_assignments SET "


CHANGES = {
    INSERT + "(3, 3, 'ASSIGNED', NULL)": [1, 3],
    INSERT + "(3, 3, 'COMPLETED', now())": [1],
    UPDATE + "status = 'ASSIGNED', closed_at = NULL WHERE id = 2": [1, 2],
    UPDATE + "status = 'COMPLETED', closed_at = now()": [],
    UPDATE + "driver_id = 3 WHERE id = 1": [3],
    UPDATE + "driver_id = 3 WHERE id = 2": [1],
    "DELETE FROM load_events; DELETE FROM driver_load_assignments": [],
    "TRUNCATE loads CASCADE": [],
}
MARKED = select(Driver.id).where(Driver.has_load).order_by(Driver.id)


@pytest.mark.usefixtures("context")
def test_assignments_changed_by_hand_keep_the_mark():
    """Of three drivers and loads, 1 has an active assignment, and 2 had one."""
    for number in (1, 2, 3):
        create_driver("Alex Carter", f"TX-{number}")
        create_load(origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van")
    for id_ in (1, 2):
        assign(id_, id_)
    change_status(2, "COMPLETED")
    for change, have_a_load in CHANGES.items():
        db.session.execute(text(change))
        assert db.session.scalars(MARKED).all() == have_a_load, change
        db.session.rollback()
