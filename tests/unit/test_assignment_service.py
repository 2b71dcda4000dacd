"""The rule of assignments where two transactions meet; its races are in tests/guarantees."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from billor.assignments.service import assign, change_status
from billor.database import transaction
from billor.drivers.service import create_driver
from billor.errors import Conflict
from billor.loads.service import create_load
from billor.models import Assignment, AssignmentStatus, db
from tests.support.rival import beaten, rival
from tests.support.worker import WAIT_SECONDS

pytestmark = pytest.mark.usefixtures("made")


@pytest.fixture
def made(app):
    """Drivers 1 and 2, and loads 1 and 2."""
    with app.app_context():
        for number in (1, 2):
            create_driver("Alex Carter", f"TX-{number}")
            create_load(origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van")


def test_a_driver_who_is_being_made_inactive_gets_no_load(app):
    def assign_in_vain() -> str:
        with app.app_context(), pytest.raises(Conflict) as refusal:
            assign(1, 1)
        return refusal.value.code

    other = "UPDATE drivers SET status = 'INACTIVE' WHERE id = 1"
    assert beaten(app, other, assign_in_vain) == "driver_inactive"


def test_the_indexes_keep_the_rules_when_code_bypasses_the_service(context):
    assign(1, 1)
    assign(1, 2, plan=True)
    active, planned = AssignmentStatus.ASSIGNED, AssignmentStatus.PLANNED
    load = create_load(origin="Dallas, TX", destination="Reno, NV", cargo_type="Dry van").id
    for status, driver_id, load_id, code in (
        (active, 1, load, "driver_already_assigned"),
        (active, 2, 1, "load_already_assigned"),
        (planned, 1, load, "driver_already_planned"),
        (planned, 2, 2, "load_already_planned"),
        (active, 2, 2, "load_already_planned"),
    ):
        with pytest.raises(Conflict) as refusal, transaction():
            db.session.add(Assignment(driver_id=driver_id, load_id=load_id, status=status))
        assert refusal.value.code == code


def test_a_completion_locks_both_loads_in_the_order_of_their_ids(app):
    """That of the planned one, too, which a request may be editing."""

    def complete() -> str:
        with app.app_context():
            return change_status(1, "COMPLETED").next.status

    with app.app_context():
        assign(1, 2)
        assign(1, 1, plan=True)
    with ThreadPoolExecutor() as pool, rival(app) as other:
        other.execute("SELECT FROM loads WHERE id = 1 FOR UPDATE")
        completed = pool.submit(complete)
        other.wait_until_waited_for()
        other.execute("SELECT FROM loads WHERE id = 2 FOR UPDATE NOWAIT")
        other.give_way()
        assert completed.result(WAIT_SECONDS) == "ASSIGNED"
