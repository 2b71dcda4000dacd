"""Assignments over HTTP: their life cycle, and every refusal."""

import pytest


def test_a_load_is_assigned_completed_and_stays_completed(client):
    driver, load = client.make_driver(), client.make_load()

    answer = client.post("/assignments", {"driverId": driver["id"], "loadId": load["id"]})
    assignment = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/assignments/{assignment['id']}"
    assert assignment == {
        "id": assignment["id"],
        "driverId": driver["id"],
        "loadId": load["id"],
        "status": "ASSIGNED",
        "assignedAt": assignment["assignedAt"],
        "closedAt": None,
    }
    shown = client.get(answer.headers["Location"]).json
    assert shown["driver"] == driver
    assert shown["load"]["status"] == "ASSIGNED"

    completed = client.close(assignment, "COMPLETED")
    assert completed["status"] == "COMPLETED"
    assert completed["closedAt"] >= completed["assignedAt"]
    assert completed["load"]["status"] == "COMPLETED"

    answer = client.patch(f"/assignments/{assignment['id']}/status", {"status": "CANCELLED"})
    assert (answer.status_code, answer.json["code"]) == (409, "assignment_not_active")


@pytest.mark.parametrize(
    ("status", "other"), [("COMPLETED", "CANCELLED"), ("CANCELLED", "COMPLETED")]
)
def test_a_status_that_an_assignment_has_can_be_set_again(client, status, other):
    """The answer of the first request may be lost."""
    load = client.make_load()
    assignment = client.assign(client.make_driver(), load)
    path = f"/assignments/{assignment['id']}/status"
    first = client.patch(path, {"status": status})
    events = client.get(f"/loads/{load['id']}/timeline").json
    for _ in range(2):
        again = client.patch(path, {"status": status})
        assert (again.status_code, again.data) == (200, first.data)
        assert again.headers["ETag"] == first.headers["ETag"]
    refusal = client.patch(path, {"status": other})
    assert (refusal.status_code, refusal.json["code"]) == (409, "assignment_not_active")
    assert client.get(f"/loads/{load['id']}/timeline").json == events
    assert client.get(f"/assignments/{assignment['id']}").data == first.data


def test_closing_again_does_not_touch_the_next_assignment(client):
    driver, load = client.make_driver(), client.make_load()
    first = client.assign(driver, load)
    client.close(first, "CANCELLED")
    second = client.assign(driver, load)
    again = client.close(first, "CANCELLED")
    assert (again["status"], again["load"]["status"]) == ("CANCELLED", "ASSIGNED")
    assert client.get(f"/assignments/{second['id']}").json["status"] == "ASSIGNED"


def test_a_cancelled_assignment_frees_the_driver_and_opens_the_load_again(client):
    driver, load = client.make_driver(), client.make_load()
    client.close(client.assign(driver, load), "CANCELLED")
    assert client.get(f"/loads/{load['id']}").json["status"] == "OPEN"
    client.assign(driver, load)


def refused(client, driver_id, load_id):
    answer = client.post("/assignments", {"driverId": driver_id, "loadId": load_id})
    return answer.status_code, answer.json["code"], answer.json.get("assignmentId")


def test_a_busy_driver_is_refused_and_the_blocking_assignment_is_named(client):
    driver, load, other = client.make_driver(), client.make_load(), client.make_load()
    assignment = client.assign(driver, load)
    expected = (409, "driver_already_assigned", assignment["id"])
    assert refused(client, driver["id"], other["id"]) == expected
    assert refused(client, driver["id"], load["id"]) == expected
    assert client.get(f"/loads/{other['id']}").json["status"] == "OPEN"


def test_an_assigned_load_is_refused_to_another_driver(client):
    load, other = client.make_load(), client.make_driver("TX-2")
    assignment = client.assign(client.make_driver(), load)
    assert refused(client, other["id"], load["id"]) == (
        409,
        "load_already_assigned",
        assignment["id"],
    )


@pytest.mark.parametrize("status", ["CANCELLED", "COMPLETED"])
def test_only_open_loads_are_assigned(client, status):
    driver, load = client.make_driver(), client.make_load()
    if status == "COMPLETED":
        client.close(client.assign(driver, load), "COMPLETED")
    else:
        client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
    assert refused(client, driver["id"], load["id"]) == (409, "load_not_open", None)


def test_inactive_drivers_get_no_loads(client):
    driver, load = client.make_driver(status="INACTIVE"), client.make_load()
    assert refused(client, driver["id"], load["id"]) == (409, "driver_inactive", None)


def test_unknown_ids_are_404(client):
    driver, load = client.make_driver(), client.make_load()
    assert refused(client, driver["id"] + 1, load["id"]) == (404, "driver_not_found", None)
    assert refused(client, driver["id"], load["id"] + 1) == (404, "load_not_found", None)
    assert client.get("/assignments/1").status_code == 404
    answer = client.patch("/assignments/1/status", {"status": "COMPLETED"})
    assert (answer.status_code, answer.json["code"]) == (404, "assignment_not_found")


@pytest.mark.parametrize("status", ["ASSIGNED", "OPEN", "completed", "", None, 1])
def test_an_assignment_can_only_become_completed_or_cancelled(client, status):
    assignment = client.assign(client.make_driver(), client.make_load())
    answer = client.patch(f"/assignments/{assignment['id']}/status", {"status": status})
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["status"]


def test_an_assignment_takes_five_statements(client, statements):
    driver, load = client.make_driver(), client.make_load()
    with statements:
        client.assign(driver, load)
    assert len(statements.sent) == 5, statements.sent
