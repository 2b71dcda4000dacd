"""`GET /loads/{id}/candidates`: the drivers who could take a load, in the order of a chooser."""

from datetime import UTC, datetime, timedelta

import pytest

from billor.models import Assignment, Driver, db
from tests.support.answers import assert_problem

NEXT_MONTH = datetime.now(UTC) + timedelta(days=30)


def deliver(client, driver: dict, to: str, **fields) -> dict:
    """Have a driver bring a load somewhere."""
    load = client.make_load(destination=to, **fields)
    return client.close(client.assign(driver, load), "COMPLETED")


@pytest.fixture
def drivers(app, client) -> dict[str, dict]:
    """Their names say what is known of them: of Bea and Cy that they are free later."""
    names = ["Gus", "Far", "Near", "There", "Bea", "Cy", "Busy", "Gone"]
    drivers = {name: client.make_driver(f"TX-{name}", name=name) for name in names}
    client.patch(f"/drivers/{drivers['Gone']['id']}", {"status": "INACTIVE"})
    deliver(client, drivers["Far"], "Austin, MN")
    deliver(client, drivers["Near"], "Reno")
    deliver(client, drivers["Near"], "Waco,  tx")
    deliver(client, drivers["There"], "Dallas, TX")
    place = deliver(client, drivers["There"], "SÃO PAULO, TX")
    client.close(client.assign(drivers["There"], client.make_load()), "CANCELLED")
    by = NEXT_MONTH.isoformat()
    client.assign(drivers["Bea"], client.make_load(destination="Reno, NV", deliverBy=by))
    client.assign(drivers["Cy"], client.make_load(destination="Reno, NV", deliverBy=by))
    client.assign(drivers["Busy"], client.make_load(destination="Waco, TX"))
    with app.app_context():
        db.session.get(Assignment, place["id"]).closed_at -= timedelta(days=8)
        of_cy = db.session.query(Assignment).filter_by(driver_id=drivers["Cy"]["id"]).one()
        of_cy.expected_at = NEXT_MONTH - timedelta(days=1)
        db.session.get(Driver, drivers["Far"]["id"]).medical_expires_on = NEXT_MONTH.date()
        db.session.commit()
    return drivers


def test_who_is_free_and_near_comes_first_with_the_reasons(client, drivers, statements):
    load = client.make_load(origin="Sao Paulo, TX")
    address = f"/loads/{load['id']}/candidates"
    with statements:
        found = client.get(address).json
    assert len(statements.sent) == 2
    near = ["There", "Near", "Far", "Gus", "Busy", "Cy", "Bea"]
    assert [each["driver"]["name"] for each in found] == near
    facts = {each.pop("driver")["name"]: each for each in found}
    nothing = dict.fromkeys(facts["Gus"]) | {"samePlace": False, "sameState": False}
    free, busy = nothing | {"isFree": True, "loadsThisWeek": 0}, nothing | {"isFree": False}
    busy |= {"loadsThisWeek": 0, "refusal": "driver_already_assigned"}
    assert facts["Gus"] == free
    for name, at in [("There", "SÃO PAULO, TX"), ("Near", "Waco, tx"), ("Far", "Austin, MN")]:
        (last, *_) = client.get(
            f"/assignments?driverId={drivers[name]['id']}&status=COMPLETED"
        ).json
        ended = {"lastPlace": at, "lastEndedAt": last["closedAt"]}
        assert facts[name].items() >= ended.items()
    assert [facts[name]["loadsThisWeek"] for name in near[:3]] == [1, 2, 1]
    near_by = [(facts[name]["samePlace"], facts[name]["sameState"]) for name in near[:3]]
    assert near_by == [(True, True), (False, True), (False, False)]
    assert facts["Far"]["papersExpireOn"] == NEXT_MONTH.date().isoformat()
    assert facts["Busy"] == busy | {"lastPlace": "Waco, TX", "sameState": True}
    assert facts["Cy"]["freeAt"] < facts["Bea"]["freeAt"]
    assert [each["driver"] for each in client.get(f"{address}?limit=1").json] == [drivers["There"]]


def test_a_refusal_is_what_an_assignment_would_get(client, drivers):
    client.patch(f"/drivers/{drivers['Far']['id']}", {"licenseExpiresOn": "2026-01-01"})
    planned = client.make_load(origin="Reno, NV")
    body = {"driverId": drivers["Bea"]["id"], "loadId": planned["id"], "plan": True}
    plan = client.post("/assignments", body).json
    cancelled = client.make_load()
    client.patch(f"/loads/{cancelled['id']}", {"status": "CANCELLED"})
    taken = client.make_load()
    client.assign(drivers["Gus"], taken)
    refusals: set[str] = set()
    for load in (planned, cancelled, taken):
        found = client.get(f"/loads/{load['id']}/candidates").json
        assert len(found) == 7
        refusals |= {each["refusal"] for each in found}
        for each in found:
            ids = {"driverId": each["driver"]["id"], "loadId": load["id"]}
            assert_problem(client.post("/assignments", ids), 409, each["refusal"])
            of_bea = each["driver"]["name"] == "Bea"
            assert each["plannedAssignmentId"] == (plan["id"] if of_bea else None)
    of_load = {"load_already_planned", "load_not_open", "load_already_assigned"}
    assert refusals == {"driver_already_assigned", "driver_papers_expired", *of_load}
