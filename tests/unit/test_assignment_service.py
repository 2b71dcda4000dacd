"""The assignment service in real races.

A driver has at most one active load and a load one driver; refusals name the reason.
"""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select, text

from billor.assignments.service import assign, close_assignment
from billor.database import transaction
from billor.drivers.service import create_driver, update_driver
from billor.errors import Conflict
from billor.extensions import db
from billor.loads.service import create_load
from billor.models import Assignment, DriverStatus, Load, LoadEvent

THREADS = 10  # as many as there are connections
PATIENCE = 30


@pytest.fixture
def make(app):
    """Make so many drivers and loads; return the ids of each."""

    def make_both(drivers: int, loads: int) -> tuple[list[int], list[int]]:
        with app.app_context():
            return (
                [create_driver("Alex Carter", f"TX-{number}").id for number in range(drivers)],
                [
                    create_load(
                        origin="Dallas, TX", destination="Atlanta, GA", cargo_type="Dry van"
                    ).id
                    for _ in range(loads)
                ],
            )

    return make_both


@pytest.fixture
def race(app):
    """Call functions simultaneously, each in a thread with its own session.

    Return the result or the Conflict of each. Any other exception is raised.
    """

    def run(calls: Sequence[Callable[[], object]]) -> list:
        start = Barrier(len(calls))

        def call_at_once(call):
            with app.app_context():
                db.session.execute(text("SELECT 1"))  # connected before the start
                db.session.rollback()
                start.wait(PATIENCE)
                try:
                    return call()
                except Conflict as refusal:
                    return refusal

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(call_at_once, calls))

    return run


def assigning(driver_id, load_id):
    """Return the new assignment's id, which outlives its session."""
    return lambda: assign(driver_id, load_id).id


def closing(assignment_id, status):
    return lambda: close_assignment(assignment_id, status).status


def split(results):
    refusals = [result for result in results if isinstance(result, Conflict)]
    return [result for result in results if not isinstance(result, Conflict)], refusals


def count(model, *conditions):
    return db.session.scalar(select(func.count()).select_from(model).where(*conditions))


@pytest.mark.parametrize(
    ("drivers", "loads", "code"),
    [(1, THREADS, "driver_already_assigned"), (THREADS, 1, "load_already_assigned")],
    ids=["one driver", "one load"],
)
def test_one_of_ten_concurrent_assignments_wins_and_the_refusals_name_it(
    app, make, race, drivers, loads, code
):
    driver_ids, load_ids = make(drivers, loads)
    pairs = [(driver_id, load_id) for driver_id in driver_ids for load_id in load_ids]
    winners, refusals = split(race([assigning(*pair) for pair in pairs]))
    assert len(winners) == 1
    assert [refusal.code for refusal in refusals] == [code] * (THREADS - 1)
    assert [refusal.extra for refusal in refusals] == [{"assignmentId": winners[0]}] * (THREADS - 1)
    with app.app_context():
        assert count(Assignment) == 1
        assert count(Load, Load.status == "ASSIGNED") == 1
        assert count(LoadEvent, LoadEvent.type == "load.assigned") == 1


def test_ten_concurrent_closings_of_an_assignment_close_it_once(app, make, race):
    (driver_id,), (load_id,) = make(1, 1)
    with app.app_context():
        assignment_id = assign(driver_id, load_id).id
    statuses = ["COMPLETED", "CANCELLED"] * (THREADS // 2)
    winners, refusals = split(race([closing(assignment_id, status) for status in statuses]))
    assert len(set(winners)) == 1, "one status"
    assert len(winners) == THREADS // 2, "of all who asked for it"
    assert [refusal.code for refusal in refusals] == ["assignment_not_active"] * (THREADS // 2)
    with app.app_context():
        load = db.session.get(Load, load_id)
        assert load.status == {"COMPLETED": "COMPLETED", "CANCELLED": "OPEN"}[winners[0]]
        closed = LoadEvent.type.in_(["load.completed", "assignment.cancelled"])
        assert count(LoadEvent, closed) == 1


def test_concurrent_crossing_assignments_raise_only_conflicts(app, make, race):
    """Assign every driver to every load while active assignments are closed.

    A deadlock or an unmapped error would be raised here.
    """
    driver_ids, load_ids = make(3, 3)
    pairs = [(driver_id, load_id) for driver_id in driver_ids for load_id in load_ids]
    seen = set()
    for _ in range(8):
        with app.app_context():
            active = db.session.scalars(
                select(Assignment.id).where(Assignment.status == "ASSIGNED")
            ).all()
        calls = [closing(assignment_id, "CANCELLED") for assignment_id in active]
        calls += [assigning(*pair) for pair in pairs]
        random.shuffle(calls)
        _, refusals = split(race(calls[:THREADS]))
        seen |= {refusal.code for refusal in refusals}
        with app.app_context():
            active = Assignment.status == "ASSIGNED"
            assert count(Assignment, active) == count(Load, Load.status == "ASSIGNED")
            for column in (Assignment.driver_id, Assignment.load_id):
                most = select(func.count()).where(active).group_by(column)
                assert set(db.session.scalars(most)) <= {1}
    assert seen
    assert seen <= {"driver_already_assigned", "load_already_assigned", "assignment_not_active"}


def wait_until_blocking():
    """Return once another connection waits for a lock of this session's transaction."""
    # pg_stat_activity does not change within a transaction.
    waiting = text(
        "SELECT count(*) FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    deadline = time.monotonic() + PATIENCE
    while db.session.scalar(waiting) == 0:
        assert time.monotonic() < deadline, "no connection waits"
        time.sleep(0.01)


def test_a_driver_who_is_being_made_inactive_gets_no_load(app, make):
    (driver_id,), (load_id,) = make(1, 1)

    def assign_in_vain():
        with app.app_context(), pytest.raises(Conflict) as refusal:
            assign(driver_id, load_id)
        return refusal.value.code

    with ThreadPoolExecutor() as pool, app.app_context():
        with transaction():
            update_driver(driver_id, status=DriverStatus.INACTIVE)
            assigned = pool.submit(assign_in_vain)
            wait_until_blocking()
        assert assigned.result(PATIENCE) == "driver_inactive"


@pytest.mark.usefixtures("context")
def test_a_refused_assignment_leaves_nothing_behind(make):
    (driver_id,), (load_id, other_load_id) = make(1, 2)
    assign(driver_id, load_id)
    events = count(LoadEvent)
    with pytest.raises(Conflict):
        assign(driver_id, other_load_id)
    assert count(Assignment) == 1
    assert count(LoadEvent) == events
    assert db.session.get(Load, other_load_id).status == "OPEN"


def test_a_unique_constraint_keeps_the_rule_when_code_bypasses_the_service(app, make):
    driver_ids, load_ids = make(2, 2)
    with app.app_context():
        assign(driver_ids[0], load_ids[0])
        for pair in ((driver_ids[0], load_ids[1]), (driver_ids[1], load_ids[0])):
            with pytest.raises(Conflict, match="Complete or cancel"), transaction():
                db.session.add(Assignment(driver_id=pair[0], load_id=pair[1]))
