"""Reassigning and reopening: one step, or nothing."""

import pytest

from billor.errors import CODES
from tests.support.answers import assert_invalid, assert_problem, in_events


@pytest.fixture
def drivers(client) -> list[dict]:
    return [client.make_driver(f"TX-{number}") for number in range(3)]


@pytest.fixture
def assignment(client, drivers) -> dict:
    """Of the first driver."""
    return client.assign(drivers[0], client.make_load())


def reassign(client, assignment, driver_id, **options):
    path = f"/assignments/{assignment['id']}/reassign"
    return client.post(path, {"driverId": driver_id}, **options)


def everything(client) -> list:
    paths = ("/assignments?expand=driver,load", "/drivers?expand=assignment", "/loads/1/timeline")
    return [client.get(path).json for path in paths]


def test_a_load_changes_its_driver_in_one_step_with_two_events(client, drivers, assignment):
    answer = reassign(client, assignment, drivers[1]["id"])
    new = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/assignments/{new['id']}"
    assert new == client.get(answer.headers["Location"]).json
    assert (new["status"], new["closedAt"]) == ("ASSIGNED", None)
    assert (new["driver"], new["load"]["status"]) == (drivers[1], "ASSIGNED")

    old = client.get(f"/assignments/{assignment['id']}").json
    assert (old["status"], old["driver"]) == ("CANCELLED", drivers[0])
    assert old["closedAt"] < new["assignedAt"], "the load's assignments do not overlap"
    assert client.get("/loads/1").json == new["load"]
    client.assign(drivers[0], client.make_load())
    *_, cancelled, assigned = client.get("/loads/1/timeline").json
    assert [(event["type"], event["assignmentId"]) for event in (cancelled, assigned)] == [
        ("ASSIGNMENT_CANCELLED", assignment["id"]),
        ("ASSIGNED", new["id"]),
    ]
    assert cancelled["payload"]["load"]["status"] == "OPEN"
    assert assigned["payload"]["load"] == new["load"]
    assert cancelled["payload"]["load"]["updatedAt"] < assigned["payload"]["load"]["updatedAt"]
    of_drivers = [event["payload"]["driver"] for event in (cancelled, assigned)]
    assert of_drivers == [in_events(driver) for driver in drivers[:2]]
    assert [event["driverId"] for event in (cancelled, assigned)] == [1, 2]


def test_a_refused_reassignment_changes_nothing(client, drivers, assignment):
    busy = client.assign(drivers[1], client.make_load())
    client.patch(f"/drivers/{drivers[2]['id']}", {"status": "INACTIVE"})
    closed = client.assign(client.make_driver("TX-9"), client.make_load())
    client.close(closed, "CANCELLED")
    client.patch(f"/drivers/{closed['driverId']}", {"medicalExpiresOn": "2020-01-31"})
    before = everything(client)
    for old, driver_id, status, code, blocker in (
        ({"id": 99}, 99, 404, "assignment_not_found", None),
        (assignment, 99, 404, "driver_not_found", None),
        (closed, 99, 404, "driver_not_found", None),
        (closed, drivers[1]["id"], 409, "assignment_not_active", None),
        (assignment, drivers[1]["id"], 409, "driver_already_assigned", busy["id"]),
        (assignment, drivers[0]["id"], 409, "driver_already_assigned", assignment["id"]),
        (assignment, drivers[2]["id"], 409, "driver_inactive", None),
        (assignment, closed["driverId"], 409, "driver_papers_expired", None),
    ):
        problem = assert_problem(reassign(client, old, driver_id), status, code)
        assert problem.get("assignmentId") == blocker, code
        assert everything(client) == before, code


def test_a_driver_who_was_changed_meanwhile_fails_the_precondition(client, drivers, assignment):
    path = f"/assignments/{assignment['id']}"
    stale = client.get(path).headers["ETag"]
    client.patch("/drivers/1", {"name": "Robin Reed"})
    refused = reassign(client, assignment, drivers[1]["id"], headers={"If-Match": stale})
    assert_problem(refused, 412, "precondition_failed")
    current = {"If-Match": client.get(path).headers["ETag"]}
    assert reassign(client, assignment, drivers[1]["id"], headers=current).status_code == 201


REASON = {"reason": "A wrong tap"}


@pytest.mark.parametrize("closing", ["COMPLETED", "CANCELLED"])
def test_a_closed_assignment_is_reopened_once(client, drivers, assignment, closing):
    shown = client.get(f"/assignments/{assignment['id']}").json
    path = f"/assignments/{client.close(assignment, closing)['id']}/reopen"
    assert_invalid(client.post(path, {"reason": " "}), "reason")
    for _ in range(2):
        answer = client.post(path, REASON)
        assert answer.status_code == 200
        updated = {"updatedAt": answer.json["load"]["updatedAt"]}
        assert answer.json == shown | {"load": shown["load"] | updated}
        assert client.get(f"/assignments/{assignment['id']}").json == answer.json
    *_, closed, reopened = client.get("/loads/1/timeline").json
    assert (closed["assignmentId"], reopened["type"]) == (assignment["id"], "ASSIGNMENT_REOPENED")
    payload = REASON | {"assignment": assignment, "load": answer.json["load"]}
    payload["driver"] = in_events(drivers[0])
    assert reopened["payload"].items() >= payload.items()
    refused = client.post("/assignments", {"driverId": 1, "loadId": 1})
    assert assert_problem(refused, 409, "driver_already_assigned")["assignmentId"] == 1
    client.close(assignment, "COMPLETED")


def test_a_refused_reopening_changes_nothing(client, drivers, assignment):
    client.close(assignment, "CANCELLED")
    path = f"/assignments/{assignment['id']}/reopen"

    def assert_refused(code: str, blocker: int | None = None, **options) -> None:
        before = everything(client)
        problem = assert_problem(client.post(path, REASON, **options), CODES[code].status, code)
        assert problem.get("assignmentId") == blocker, code
        assert everything(client) == before, code

    assert_refused("precondition_failed", headers={"If-Match": '"other"'})
    busy = client.assign(drivers[0], client.make_load())
    taken = client.assign(drivers[1], {"id": 1})
    assert_refused("driver_already_assigned", busy["id"])
    client.close(busy, "COMPLETED")
    assert_refused("load_already_assigned", taken["id"])
    client.close(taken, "CANCELLED")
    client.patch("/drivers/1", {"status": "INACTIVE"})
    assert_refused("driver_inactive")
    client.patch("/drivers/1", {"status": "ACTIVE", "licenseExpiresOn": "2020-01-31"})
    assert_refused("driver_papers_expired")
    client.patch("/loads/1", {"status": "CANCELLED"})
    assert_refused("load_not_open")
    client.patch("/loads/1", {"status": "OPEN"})
    client.close(client.assign(drivers[1], {"id": 1}), "COMPLETED")
    assert_refused("load_not_open")
    assert_problem(client.post("/assignments/99/reopen", REASON), 404, "assignment_not_found")
