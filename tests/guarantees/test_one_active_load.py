"""Promise 1: at most one active and one planned load a driver, and one driver a load.

The requests are simultaneous and go to several processes.
"""

import random
from collections import Counter
from functools import partial

from sqlalchemy import select

from billor.events.event import EventType
from billor.models import Assignment, Driver, Load, LoadEvent, LoadStatus, db
from tests.support.databases import run_sql
from tests.support.http import Reply
from tests.support.races import at_once
from tests.support.system import LOAD, Api

RIVALS = 50
PAIRS = 20
"""The number of drivers and of loads in bulk requests."""
ROUNDS = 6
OPERATIONS = 1000
CURRENT = ("PLANNED", "ASSIGNED")
TURNS = {
    EventType.LOAD_PLANNED: ({None, "ASSIGNED"}, "PLANNED", "OPEN"),
    EventType.ASSIGNED: ({None, "PLANNED"}, "ASSIGNED", "ASSIGNED"),
    EventType.LOAD_COMPLETED: ({"ASSIGNED"}, "COMPLETED", "COMPLETED"),
    EventType.ASSIGNMENT_CANCELLED: ({"PLANNED", "ASSIGNED"}, "CANCELLED", "OPEN"),
    EventType.ASSIGNMENT_REOPENED: ({"COMPLETED", "CANCELLED"}, "ASSIGNED", "ASSIGNED"),
}
"""By event: which status the assignment had, which it gets, and its load's."""
BUSY = 503
"""On a slow machine a request may wait too long for its turn."""

chance = random.Random(13)  # noqa: S311 - not for secrets


def test_fifty_callers_of_a_thousand_random_operations_break_no_rule(shared_system, api):
    drivers = [api.client.make_driver(f"MIXED-{number}") for number in range(PAIRS)]
    loads = [api.client.make_load() for _ in range(PAIRS)]
    driver_ids = {driver["id"] for driver in drivers}
    first = api.client.assign(drivers[0], loads[0]).body

    def some_id(*statuses: str) -> int:
        query = "&".join(f"status={status}" for status in statuses)
        found = api.client.get(f"/assignments?{query}&limit=200").body
        return chance.choice(
            [each["id"] for each in found if each["driverId"] in driver_ids] or [first["id"]]
        )

    def some(things: list[dict]) -> list[dict]:
        return chance.sample(things, chance.randint(2, PAIRS))

    def one_of_each() -> tuple[dict, dict]:
        return chance.choice(drivers), chance.choice(loads)

    def edit() -> Reply:
        driver, load = one_of_each()
        path, changes = chance.choice(
            [
                (f"/drivers/{driver['id']}", {"name": f"Robin {chance.random()}"}),
                (f"/drivers/{driver['id']}", {"status": chance.choice(["ACTIVE", "INACTIVE"])}),
                (f"/loads/{load['id']}", {"cargoType": f"Steel {chance.random()}"}),
                (f"/loads/{load['id']}", {"status": chance.choice(["OPEN", "CANCELLED"])}),
            ]
        )
        return api.client.patch(path, changes)

    def complete() -> Reply:
        loads.append(api.client.make_load())
        return api.client.close_assignment(some_id("ASSIGNED"), "COMPLETED")

    def reassign() -> Reply:
        is_next = chance.random() < 0.5
        return api.client.reassign(some_id(*CURRENT), chance.choice(drivers), plan=is_next)

    send = {
        "bulk": lambda: api.client.assign_many(zip(some(drivers), some(loads), strict=False)),
        "assign": lambda: api.client.assign(*one_of_each()),
        "plan": lambda: api.client.assign(*one_of_each(), plan=True),
        "activate": lambda: api.client.close_assignment(some_id("PLANNED"), "ASSIGNED"),
        "complete": complete,
        "cancel": lambda: api.client.close_assignment(some_id(*CURRENT), "CANCELLED"),
        "reassign": reassign,
        "reopen": lambda: api.client.reopen(some_id("COMPLETED", "CANCELLED")),
        "edit": edit,
    }

    def run(_caller: int) -> Counter:
        kinds = chance.choices([*send], k=OPERATIONS // RIVALS)
        return Counter((kind, send[kind]().status) for kind in kinds)

    calls = [partial(run, caller) for caller in range(RIVALS)]
    statuses = sum(at_once(api, calls), Counter())
    assert {status for _, status in statuses} <= {200, 201, 409, BUSY}, statuses
    assert {kind for kind, status in statuses if status < 300} >= send.keys() - {"activate"}

    api.client.assign(api.client.make_driver("MIXED-LAST"), api.client.make_load())
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert run_sql(shared_system.app, deadlocks) == [(0,)]
    with shared_system.app.app_context():
        assert_rule_holds()
        assert_events_tell_what_happened(driver_ids)
        db.session.remove()


def assert_events_tell_what_happened(driver_ids: set[int]) -> None:
    """Replay the drivers' events, which never break a rule, and end in the rows.

    They are written under the locks that keep the rules, and so in order.
    """
    events = db.session.scalars(
        select(LoadEvent)
        .where(LoadEvent.driver_id.in_(driver_ids), LoadEvent.type.in_(TURNS))
        .order_by(LoadEvent.created_at, LoadEvent.id)
    ).all()
    told: dict[int, tuple[str, int, int]] = {}
    for event in events:
        id_, before, after, load_status = event.assignment_id, *TURNS[event.type]
        status = told.get(id_, (None,))[0]
        assert status in before, (id_, event.type, status)
        assert event.payload["load"]["status"] == load_status
        told[id_] = after, event.driver_id, event.load_id
        current = [each for each in told.values() if each[0] in CURRENT]
        assert len({(status, driver) for status, driver, _ in current}) == len(current), id_
        assert len({load for _, _, load in current}) == len(current), id_
    columns = (Assignment.status, Assignment.driver_id, Assignment.load_id)
    rows = select(Assignment.id, *columns).where(Assignment.driver_id.in_(driver_ids))
    assert told == {id_: tuple(rest) for id_, *rest in db.session.execute(rows)}


def assert_rule_holds() -> None:
    """Check the current rows of all drivers and loads."""
    current = db.session.execute(
        select(Assignment.status, Assignment.driver_id, Assignment.load_id, Load.status)
        .join(Assignment.load)
        .where(Assignment.status.in_(CURRENT))
    ).all()
    assert len({(status, driver_id) for status, driver_id, *_ in current}) == len(current)
    assert len({load_id for _, _, load_id, _ in current}) == len(current)
    fitting = {("ASSIGNED", "ASSIGNED"), ("PLANNED", "OPEN")}
    assert {(status, load_status) for status, *_, load_status in current} <= fitting
    active = [each for each in current if each[0] == "ASSIGNED"]
    assigned = db.session.scalars(select(Load.id).where(Load.status == LoadStatus.ASSIGNED))
    assert sorted(assigned) == sorted(load_id for _, _, load_id, _ in active)
    marked = db.session.scalars(select(Driver.id).where(Driver.has_load))
    assert sorted(marked) == sorted(driver_id for _, driver_id, *_ in active)


def assert_one_is_made(api: Api, path: str, bodies: list[dict], code: str, member: str) -> None:
    """Check that one is created, and all others are refused with its id."""
    replies = at_once(api, [partial(api.client.post, path, body) for body in bodies])
    (winner,) = (reply.body for reply in replies if reply.status == 201)
    refused = [reply for reply in replies if reply.status != 201]
    assert {(reply.status, reply.body["code"], reply.body[member]) for reply in refused} == {
        (409, code, winner["id"])
    }


def test_concurrent_drivers_with_one_license_number_become_one(api):
    for number in range(ROUNDS):
        forms = [f"ZZ-{number}", f"zz {number}", f"Zz{number}", f"\uff3a\uff3a-{number}"] * 2
        bodies = [{"name": "Sam", "licenseNumber": form} for form in forms]
        assert_one_is_made(api, "/drivers", bodies, "license_number_taken", "driverId")


def test_concurrent_loads_and_users_with_one_name_become_one(api):
    for number in range(ROUNDS):
        forms = [f"PO-{number}", f"po {number}", f"Po{number}"] * 2
        bodies = [LOAD | {"reference": form} for form in forms]
        assert_one_is_made(api, "/loads", bodies, "reference_taken", "loadId")
    domains = ["m\u00fcnchen.example", "MU\u0308NCHEN.example", "xn--mnchen-3ya.example"] * 2
    bodies = [{"name": "Dana", "email": f"dana@{domain}"} for domain in domains]
    assert_one_is_made(api, "/users", bodies, "email_taken", "userId")
