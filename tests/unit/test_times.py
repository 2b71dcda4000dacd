"""Times are taken under the row's lock, so that their order is that of the changes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from flask import Flask

from billor.assignments.service import assign, change_status, reassign
from billor.drivers.service import create_driver
from billor.loads.service import create_load, update_load
from billor.models import Load
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS


def new_load() -> Load:
    return create_load(origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van")


@pytest.mark.parametrize(
    ("change", "is_assigned"),
    [
        (lambda: update_load(1, origin="Elsewhere").updated_at, False),
        (lambda: change_status(1, "CANCELLED").load.updated_at, True),
        (lambda: change_status(1, "COMPLETED").closed_at, True),
        (lambda: reassign(1, create_driver("Sam Doe", "TX-2").id).assigned_at, True),
    ],
    ids=["change", "cancel", "complete", "reassign"],
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
