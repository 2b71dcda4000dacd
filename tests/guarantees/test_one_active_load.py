"""Promise 1: at most one active load a driver and one driver a load, under concurrency.

The requests are simultaneous and go to several processes.
"""

import random
from collections import Counter
from functools import partial
from itertools import product

from sqlalchemy import select, text

from billor.events.event import EventType
from billor.models import Assignment, AssignmentStatus, Driver, Load, LoadEvent, LoadStatus, db
from tests.support.http import Reply
from tests.support.races import at_once
from tests.support.system import Api

RIVALS = 50
CLOSERS = 20
CROSSING = 5
"""The number of drivers and of loads in the crossing assignments."""
PAIRS = 20
"""The number of drivers and of loads in bulk requests."""
ROUNDS = 6
BUSY = 503
"""On a slow machine a request may wait too long for its turn."""

chance = random.Random(13)  # noqa: S311 - not for secrets


def assert_one_won(replies: list[Reply], code: str) -> None:
    (winner,) = (reply.body for reply in replies if reply.status == 201)
    assert Counter((reply.status, reply.body.get("code")) for reply in replies) == {
        (201, None): 1,
        (409, code): RIVALS - 1,
    }
    blockers = [reply.body["assignmentId"] for reply in replies if reply.status == 409]
    assert set(blockers) == {winner["id"]}


def test_a_driver_gets_one_of_fifty_concurrent_loads(api):
    driver = api.client.make_driver("COVETED")
    loads = [api.client.make_load() for _ in range(RIVALS)]
    replies = at_once(api, [partial(api.client.assign, driver, load) for load in loads])
    assert_one_won(replies, "driver_already_assigned")

    (taken,) = (load for load, reply in zip(loads, replies, strict=True) if reply.status == 201)
    statuses = {load["id"]: api.client.get(f"/loads/{load['id']}").body["status"] for load in loads}
    assert {id_ for id_, status in statuses.items() if status != "OPEN"} == {taken["id"]}


def test_a_load_gets_one_of_fifty_concurrent_drivers(api):
    load = api.client.make_load()
    drivers = [api.client.make_driver(f"RIVAL-{number}") for number in range(RIVALS)]
    replies = at_once(api, [partial(api.client.assign, driver, load) for driver in drivers])
    assert_one_won(replies, "load_already_assigned")


def test_concurrent_requests_close_an_assignment_once(api):
    driver, load = api.client.make_driver("CLOSED-ONCE"), api.client.make_load()
    id_ = api.client.assign(driver, load).body["id"]
    asked = ["COMPLETED", "CANCELLED"] * (CLOSERS // 2)
    replies = at_once(api, [partial(api.client.close_assignment, id_, status) for status in asked])

    assert Counter((reply.status, reply.body.get("code")) for reply in replies) == {
        (200, None): CLOSERS // 2,
        (409, "assignment_not_active"): CLOSERS // 2,
    }
    (closed,) = {reply.body["status"] for reply in replies if reply.status == 200}
    assert api.client.get(f"/assignments/{id_}").body["status"] == closed
    load_status = {"COMPLETED": "COMPLETED", "CANCELLED": "OPEN"}[closed]
    assert api.client.get(f"/loads/{load['id']}").body["status"] == load_status
    timeline = api.client.get(f"/loads/{load['id']}/timeline").body
    assert len(timeline) == 3, "made, assigned, closed"


def test_concurrent_crossing_assignments_neither_deadlock_nor_break_the_rule(shared_system, api):
    drivers = [api.client.make_driver(f"CROSSING-{number}") for number in range(CROSSING)]
    loads = [api.client.make_load() for _ in range(CROSSING)]

    def cross(driver: dict, load: dict) -> Counter:
        """Assign, then cancel the new or the blocking assignment, except in the last round."""
        statuses = Counter()
        for round_ in range(ROUNDS):
            reply = api.client.assign(driver, load)
            statuses["assign", reply.status] += 1
            id_ = reply.body.get("assignmentId" if reply.status == 409 else "id")
            if id_ is not None and round_ < ROUNDS - 1:
                reply = api.client.close_assignment(id_, "CANCELLED")
                statuses["close", reply.status] += 1
        return statuses

    pairs = [partial(cross, driver, load) for driver, load in product(drivers, loads)]
    statuses = sum(at_once(api, pairs), Counter())
    assert {("assign", 201), ("assign", 409), ("close", 200)} <= set(statuses)
    assert {status for _, status in statuses} <= {200, 201, 409, BUSY}

    with shared_system.app.app_context():
        assert_no_deadlock()
        assert_rule_holds()
        assert_rule_held_at_all_times({driver["id"] for driver in drivers})
        db.session.remove()


def test_concurrent_bulk_requests_in_any_order_assign_each_pair_once(shared_system, api):
    drivers = [api.client.make_driver(f"IN-BULK-{number}") for number in range(PAIRS)]
    loads = [api.client.make_load() for _ in range(PAIRS)]
    pairs = [*zip(drivers, loads, strict=True)]
    orders = [chance.sample(pairs, len(pairs)) for _ in range(RIVALS)]
    replies = at_once(api, [partial(api.client.assign_many, order) for order in orders])

    assert {reply.status for reply in replies} <= {200, BUSY}
    answers = [reply.body for reply in replies if reply.status == 200]
    rows = [row for answer in answers for row in answer["rows"]]
    made = {row["driverId"]: row["assignmentId"] for row in rows if "error" not in row}
    assert sum(answer["assigned"] for answer in answers) == len(made) == PAIRS
    for row in rows:
        if "error" in row:
            assert row["error"]["code"] == "driver_already_assigned"
            assert row["error"]["assignmentId"] == made[row["driverId"]]
    with shared_system.app.app_context():
        assert_no_deadlock()
        assert_rule_holds()
        assert_each_assignment_is_told({driver["id"] for driver in drivers})
        db.session.remove()


def test_a_driver_gets_one_of_fifty_concurrent_reassignments(api):
    drivers = [api.client.make_driver(f"GIVER-{number}") for number in range(RIVALS)]
    given = [api.client.assign(driver, api.client.make_load()).body for driver in drivers]
    taker = api.client.make_driver("WANTED")
    calls = [partial(api.client.reassign, each["id"], taker) for each in given]
    assert_one_won(at_once(api, calls), "driver_already_assigned")
    ids = {each["id"] for each in given}
    statuses = [api.client.get(f"/assignments/{id_}").body["status"] for id_ in ids]
    assert Counter(statuses) == {"ASSIGNED": RIVALS - 1, "CANCELLED": 1}


def test_fifty_mixed_callers_neither_deadlock_nor_break_the_rule(shared_system, api):
    """Bulk requests, reassignments, single ones, closings, reopenings, and edits."""
    drivers = [api.client.make_driver(f"MIXED-{number}") for number in range(PAIRS)]
    loads = [api.client.make_load() for _ in range(PAIRS)]
    driver_ids = {driver["id"] for driver in drivers}
    first = api.client.assign(drivers[0], loads[0]).body

    def some_id(status: str) -> int:
        found = api.client.get(f"/assignments?status={status}&limit=200").body
        return chance.choice(
            [each["id"] for each in found if each["driverId"] in driver_ids] or [first["id"]]
        )

    def some(things: list[dict]) -> list[dict]:
        return chance.sample(things, chance.randint(2, len(things)))

    def edit() -> Reply:
        if chance.random() < 0.5:
            path = f"/drivers/{chance.choice(drivers)['id']}"
            return api.client.patch(path, {"name": f"Robin {chance.random()}"})
        path = f"/loads/{chance.choice(loads)['id']}"
        return api.client.patch(path, {"cargoType": f"Steel {chance.random()}"})

    send = {
        "bulk": lambda: api.client.assign_many(zip(some(drivers), some(loads), strict=False)),
        "reassign": lambda: api.client.reassign(some_id("ASSIGNED"), chance.choice(drivers)),
        "single": lambda: api.client.assign(chance.choice(drivers), chance.choice(loads)),
        "close": lambda: api.client.close_assignment(some_id("ASSIGNED"), "CANCELLED"),
        "reopen": lambda: api.client.reopen(some_id("CANCELLED")),
        "edit": edit,
    }

    def run(kind: str) -> Counter:
        return Counter((kind, send[kind]().status) for _ in range(ROUNDS))

    kinds = [*send] * -(-RIVALS // len(send))
    statuses = sum(at_once(api, [partial(run, kind) for kind in kinds]), Counter())
    assert set(statuses) - {(kind, BUSY) for kind in send} <= {
        *{("bulk", 200), ("reassign", 201), ("reassign", 409), ("edit", 200)},
        *{("single", 201), ("single", 409), ("close", 200), ("close", 409)},
        *{("reopen", 200), ("reopen", 409)},
    }
    assert statuses["bulk", 200] > 0
    assert statuses["reassign", 201] > 0
    assert statuses["reopen", 200] > 0

    api.client.assign(api.client.make_driver("MIXED-LAST"), api.client.make_load())
    with shared_system.app.app_context():
        assert_no_deadlock()
        assert_rule_holds()
        assert_rule_held_at_all_times(driver_ids)
        assert_each_assignment_is_told(driver_ids)
        db.session.remove()


def assert_each_assignment_is_told(driver_ids: set[int]) -> None:
    """Check that each assignment of the drivers has its events, once, and its load their status."""
    assignments = db.session.execute(
        select(Assignment.id, Assignment.status).where(Assignment.driver_id.in_(driver_ids))
    ).all()
    events = db.session.execute(
        select(LoadEvent.assignment_id, LoadEvent.type, LoadEvent.payload["load", "status"].astext)
        .where(LoadEvent.driver_id.in_(driver_ids), LoadEvent.assignment_id.is_not(None))
        .where(LoadEvent.type != EventType.LOAD_UPDATED)
        .order_by(LoadEvent.created_at)
    ).all()
    told = {
        id_: [(type_, status) for of, type_, status in events if of == id_]
        for id_, _ in assignments
    }
    begin, end = (EventType.ASSIGNED, "ASSIGNED"), (EventType.ASSIGNMENT_CANCELLED, "OPEN")
    again = (EventType.ASSIGNMENT_REOPENED, "ASSIGNED")
    for id_, status in assignments:
        turns = [begin, *[end, again] * len(told[id_])]
        assert told[id_] == turns[: len(told[id_])]
        assert len(told[id_]) % 2 == (status == AssignmentStatus.ASSIGNED)
    assert sum(map(len, told.values())) == len(events)


def assert_no_deadlock() -> None:
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert db.session.scalar(text(count)) == 0


def assert_rule_holds() -> None:
    """Check the current rows of all drivers and loads."""
    is_active = Assignment.status == AssignmentStatus.ASSIGNED
    active = db.session.execute(select(Assignment.driver_id, Assignment.load_id).where(is_active))
    driver_ids, load_ids = zip(*active, strict=True)
    assert len(set(driver_ids)) == len(driver_ids)
    assert len(set(load_ids)) == len(load_ids)
    assigned = db.session.scalars(select(Load.id).where(Load.status == LoadStatus.ASSIGNED))
    assert sorted(assigned) == sorted(load_ids)
    marked = db.session.scalars(select(Driver.id).where(Driver.has_load))
    assert sorted(marked) == sorted(driver_ids)


def assert_rule_held_at_all_times(driver_ids: set[int]) -> None:
    """Check that assigning and cancelling alternate in the events of each driver and load.

    Events are written under the locks that keep the rule, and so in order.
    """
    begin = (EventType.ASSIGNED, EventType.ASSIGNMENT_REOPENED)
    turns = (*begin, EventType.ASSIGNMENT_CANCELLED)
    events = db.session.scalars(
        select(LoadEvent)
        .where(LoadEvent.driver_id.in_(driver_ids), LoadEvent.type.in_(turns))
        .order_by(LoadEvent.created_at)
    ).all()
    for kind in ("driver_id", "load_id"):
        last: dict[int, bool] = {}
        for event in events:
            id_ = getattr(event, kind)
            begins = event.type in begin
            assert begins != last.get(id_, False), (kind, id_)
            last[id_] = begins


def test_concurrent_drivers_with_one_license_number_become_one(api):
    for number in range(ROUNDS):
        forms = [f"ZZ-{number}", f"zz {number}", f"Zz{number}", f"\uff3a\uff3a-{number}"] * 2
        bodies = [{"name": "Sam", "licenseNumber": form} for form in forms]
        replies = at_once(api, [partial(api.client.post, "/drivers", body) for body in bodies])
        assert_one_is_named(replies, "license_number_taken", "driverId")


def test_concurrent_loads_with_one_reference_become_one(api):
    for number in range(ROUNDS):
        forms = [f"PO-{number}", f"po {number}", f"Po{number}"] * 2
        replies = at_once(api, [partial(post_load, api, form) for form in forms])
        assert_one_is_named(replies, "reference_taken", "loadId")


def test_concurrent_users_with_one_email_address_become_one(api):
    domains = ["m\u00fcnchen.example", "MU\u0308NCHEN.example", "xn--mnchen-3ya.example"] * 2
    bodies = [{"name": "Dana", "email": f"dana@{domain}"} for domain in domains]
    replies = at_once(api, [partial(api.client.post, "/users", body) for body in bodies])
    assert_one_is_named(replies, "email_taken", "userId")


def post_load(api: Api, reference: str) -> Reply:
    body = {"origin": "A", "destination": "B", "cargoType": "C", "reference": reference}
    return api.client.post("/loads", body)


def assert_one_is_named(replies: list[Reply], code: str, member: str) -> None:
    """One was created, and all others were refused with its id."""
    (winner,) = (reply.body for reply in replies if reply.status == 201)
    refused = [reply for reply in replies if reply.status != 201]
    assert {(reply.status, reply.body["code"], reply.body[member]) for reply in refused} == {
        (409, code, winner["id"])
    }
