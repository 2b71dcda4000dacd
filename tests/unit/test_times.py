"""Times are taken under the row's lock, so that their order is that of the changes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import select

from billor.assignments.service import assign, assign_many, change_status, reassign
from billor.drivers.service import create_driver
from billor.loads.service import create_load, update_load
from billor.models import Assignment, Load, db
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS


def new_load() -> Load:
    return create_load(origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van")


def assigned_in_bulk(driver_id: int) -> datetime:
    """Assign load 1 and one that does not exist; return when."""
    assign_many([{"driver_id": driver_id, "load_id": load_id} for load_id in (99, 1)])
    return db.session.scalar(select(Assignment.assigned_at))


@pytest.mark.parametrize(
    ("change", "is_assigned"),
    [
        (lambda: update_load(1, origin="Elsewhere").updated_at, False),
        (lambda: change_status(1, "CANCELLED").load.updated_at, True),
        (lambda: change_status(1, "COMPLETED").closed_at, True),
        (lambda: reassign(1, create_driver("Sam Doe", "TX-2").id).assigned_at, True),
        (lambda: assigned_in_bulk(create_driver("Sam Doe", "TX-2").id), False),
    ],
    ids=["change", "cancel", "complete", "reassign", "assign in bulk"],
)
def test_a_change_that_waited_for_a_lock_has_a_later_time(
    app: Flask, change: Callable[[], datetime], is_assigned: bool
):
    def change_in_its_turn() -> datetime:
        with app.app_context():
            return change()

    with app.app_context():
        new_load()
        if is_assigned:
            assign(create_driver("Alex Carter", "TX-1").id, 1)
    with rival(app) as first, ThreadPoolExecutor() as pool:
        first.execute("SELECT FROM loads FOR UPDATE")
        second = pool.submit(change_in_its_turn)
        first.wait_until_waited_for()
        first.execute("UPDATE loads SET updated_at = clock_timestamp()")
        earlier = first.scalar("SELECT updated_at FROM loads")
        first.insist()
        assert second.result(WAIT_SECONDS) > earlier
