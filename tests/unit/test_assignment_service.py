"""The rule of assignments where two transactions meet; its races are in tests/guarantees."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from billor.assignments.service import assign
from billor.database import transaction
from billor.drivers.service import create_driver
from billor.errors import Conflict
from billor.loads.service import create_load
from billor.models import Assignment, db
from tests.support.rival import rival
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

    with ThreadPoolExecutor() as pool, rival(app) as other:
        other.execute("UPDATE drivers SET status = 'INACTIVE' WHERE id = 1")
        assigned = pool.submit(assign_in_vain)
        other.wait_until_waited_for()
        other.insist()
        assert assigned.result(WAIT_SECONDS) == "driver_inactive"


def test_the_indexes_keep_the_rule_when_code_bypasses_the_service(context):
    assign(1, 1)
    for pair in ((1, 2), (2, 1)):
        with pytest.raises(Conflict, match="Complete or cancel"), transaction():
            db.session.add(Assignment(driver_id=pair[0], load_id=pair[1]))
