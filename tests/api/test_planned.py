"""The next load of a driver: planned, activated, left, and refused."""

import pytest

from tests.support.answers import assert_problem


@pytest.fixture
def drivers(client) -> list[dict]:
    return [client.make_driver(f"TX-{number}") for number in range(4)]


@pytest.fixture
def loads(client) -> list[dict]:
    return [client.make_load(reference=f"RE{number}") for number in range(6)]


def plan(client, driver, load):
    body = {"driverId": driver["id"], "loadId": load["id"], "plan": True}
    return client.post("/assignments", body)


def set_status(client, assignment, status):
    return client.patch(f"/assignments/{assignment['id']}/status", {"status": status})


def told(client, load) -> list[tuple[str, str]]:
    """What happened to a load, each with its status by then."""
    timeline = client.get(f"/loads/{load['id']}/timeline").json
    return [(event["type"], event["payload"]["load"]["status"]) for event in timeline]


def test_the_life_of_a_planned_load(client, drivers, loads):
    driver, other = drivers[:2]
    active = client.assign(driver, loads[0])
    answer = plan(client, driver, loads[1])
    planned = answer.json
    assert (answer.status_code, planned["status"], planned["closedAt"]) == (201, "PLANNED", None)
    assert answer.headers["Location"] == f"/assignments/{planned['id']}"

    shown = client.get("/loads?expand=assignment&q=TX-0").json
    assert [(load["status"], load["assignment"]["status"]) for load in shown] == [
        ("OPEN", "PLANNED"),
        ("ASSIGNED", "ASSIGNED"),
    ]
    assert shown[0]["updatedAt"] > loads[1]["updatedAt"]
    listed = client.get("/drivers?expand=assignment").json
    assert [each["planned"] and each["planned"]["load"]["id"] for each in listed] == [
        *(None, None, None, loads[1]["id"])
    ]
    assert client.get(f"/assignments/{active['id']}").json["next"]["id"] == planned["id"]
    assert client.get("/loads.csv?q=RE1").text.splitlines()[1].endswith(",,,,,")
    client.patch(f"/loads/{loads[1]['id']}", {"cargoType": "Steel"})
    event = client.get(f"/loads/{loads[1]['id']}/timeline").json[-1]
    assert (event["driverId"], event["assignmentId"]) == (driver["id"], planned["id"])

    completed = client.close(active, "COMPLETED")
    following = completed["next"]
    assert (following["id"], following["status"], following["left"]) == (
        *(planned["id"], "ASSIGNED", None),
    )
    assert following["load"]["status"] == "ASSIGNED"
    assert following["assignedAt"] > completed["closedAt"]
    assert set_status(client, active, "COMPLETED").json == completed
    assert told(client, loads[1]) == [
        *(("LOAD_CREATED", "OPEN"), ("LOAD_PLANNED", "OPEN"), ("LOAD_UPDATED", "OPEN")),
        ("ASSIGNED", "ASSIGNED"),
    ]

    first_plan = plan(client, driver, loads[2]).json
    path = f"/assignments/{first_plan['id']}/reassign"
    again = client.post(path, {"driverId": other["id"], "plan": True}).json
    assert (again["status"], again["driver"]["id"]) == ("ASSIGNED", other["id"]), "was free"
    second_plan = plan(client, driver, loads[3]).json
    given = client.post(f"/assignments/{again['id']}/reassign", {"driverId": drivers[2]["id"]})
    moved = client.post(
        f"/assignments/{second_plan['id']}/reassign", {"driverId": drivers[2]["id"], "plan": True}
    )
    assert (given.json["status"], moved.json["status"]) == ("ASSIGNED", "PLANNED")
    client.post(f"/assignments/{given.json['id']}/reassign", {"driverId": other["id"]})
    assert client.get(f"/assignments/{moved.json['id']}").json["status"] == "ASSIGNED"

    assigned = client.get("/stats").json["today"]["assigned"]
    cancelled = client.close(plan(client, other, loads[4]).json, "CANCELLED")
    assert cancelled["assignedAt"] == cancelled["closedAt"]
    assert client.get("/stats?timeZone=Etc/UTC").json["today"]["assigned"] == assigned
    assert cancelled["load"]["status"] == "OPEN"
    assert cancelled["next"]["load"]["id"] == loads[2]["id"]
    ends = [("LOAD_PLANNED", "OPEN"), ("ASSIGNMENT_CANCELLED", "OPEN")]
    assert told(client, loads[4])[1:] == ends
    assert client.get("/loads?q=RE4 Alex").json == []


def test_a_planned_load_is_left_and_activated_by_hand(client, drivers, loads):
    active = client.assign(drivers[0], loads[0])
    planned = plan(client, drivers[0], loads[1]).json
    client.patch("/drivers/1", {"status": "INACTIVE"})
    left = client.close(active, "CANCELLED")["next"]
    assert (left["id"], left["status"]) == (planned["id"], "PLANNED")
    assert left["left"] == "driver_inactive"
    assert_problem(set_status(client, planned, "ASSIGNED"), 409, "driver_inactive")
    client.patch("/drivers/1", {"status": "ACTIVE", "licenseExpiresOn": "2020-01-31"})
    assert_problem(set_status(client, planned, "ASSIGNED"), 409, "driver_papers_expired")
    assert_problem(plan(client, drivers[0], loads[2]), 409, "driver_papers_expired")
    client.patch("/drivers/1", {"licenseExpiresOn": None})
    assert client.get(f"/assignments/{active['id']}").json["next"]["left"] is None

    before = client.assign(drivers[0], loads[2])
    assert_problem(set_status(client, planned, "ASSIGNED"), 409, "driver_already_assigned")
    client.patch("/drivers/1", {"status": "INACTIVE"})
    client.close(before, "COMPLETED")
    client.patch("/drivers/1", {"status": "ACTIVE"})
    for _ in range(2):
        activated = set_status(client, planned, "ASSIGNED")
        assert (activated.status_code, activated.json["status"]) == (200, "ASSIGNED")
    assert told(client, loads[1])[2:] == [("ASSIGNED", "ASSIGNED")]
    assert activated.json["assignedAt"] > planned["assignedAt"]


def test_a_reopening_plans_again_what_the_end_activated(client, drivers, loads):
    active = client.assign(drivers[0], loads[0])
    planned = plan(client, drivers[0], loads[1]).json
    path = f"/assignments/{active['id']}/reopen"
    for ends in ("COMPLETED", "CANCELLED"):
        client.close(active, ends)
        reopened = client.post(path, {"reason": "A wrong tap"}).json
        assert (reopened["status"], reopened["next"]["status"]) == ("ASSIGNED", "PLANNED")
        assert reopened["next"]["load"]["status"] == "OPEN"
        assert told(client, loads[1])[-2:] == [("ASSIGNED", "ASSIGNED"), ("LOAD_PLANNED", "OPEN")]

    client.close(active, "COMPLETED")
    address = f"/assignments/{planned['id']}/check-ins"
    delay = {"kind": "DELAYED", "reason": "Snow", "expectedAt": "2100-12-31T00:00:00Z"}
    for check_in in ({"kind": "ACCEPTED"}, delay):
        made = client.post(address, check_in)
        assert made.status_code == 201
        refused = client.post(path, {"reason": "Too late"})
        blocker = assert_problem(refused, 409, "driver_already_assigned")["assignmentId"]
        assert blocker == planned["id"]
        client.request("DELETE", f"{address}/{made.json['id']}")


@pytest.mark.parametrize("is_many", [False, True])
def test_assigning_what_is_planned_activates_it(client, drivers, loads, is_many):
    active = client.assign(drivers[0], loads[0])
    planned = plan(client, drivers[0], loads[1]).json
    client.patch("/drivers/1", {"status": "INACTIVE"})
    client.close(active, "COMPLETED")
    client.patch("/drivers/1", {"status": "ACTIVE"})
    pair = {"driverId": 1, "loadId": loads[1]["id"]}
    if is_many:
        taken = {"driverId": 2, "loadId": loads[1]["id"]}
        rows = client.post("/assignments/bulk", {"assignments": [taken, pair]}).json["rows"]
        assert rows[0]["error"]["code"] == "load_already_planned"
        assert rows[0]["error"]["assignmentId"] == rows[1]["assignmentId"] == planned["id"]
    else:
        assert client.assign(drivers[0], loads[1])["id"] == planned["id"]
    shown = client.get(f"/assignments/{planned['id']}").json
    assert (shown["status"], shown["load"]["status"]) == ("ASSIGNED", "ASSIGNED")
    assert shown["assignedAt"] > planned["assignedAt"]
    assert told(client, loads[1])[1:] == [("LOAD_PLANNED", "OPEN"), ("ASSIGNED", "ASSIGNED")]


def test_each_refusal_names_what_is_in_the_way(client, drivers, loads):
    busy, other, free, inactive = drivers
    mine, unplanned, taken, next_, cancelled, is_open = loads
    active, blocked = client.assign(busy, mine), client.assign(other, taken)
    planned = plan(client, busy, next_).json
    gone = client.close(client.assign(free, is_open), "CANCELLED")
    client.patch(f"/loads/{cancelled['id']}", {"status": "CANCELLED"})
    client.patch(f"/drivers/{inactive['id']}", {"status": "INACTIVE"})

    def assign(driver, load, **fields):
        return "POST", "", {"driverId": driver["id"], "loadId": load["id"], **fields}

    def of(assignment, name, **body):
        return "PATCH" if name == "status" else "POST", f"/{assignment['id']}/{name}", body

    before = client.get("/assignments?expand=driver,load").json
    for (method, path, body), code, blocker, can_plan in (
        (assign(busy, unplanned), "driver_already_assigned", active, False),
        (assign(busy, mine), "driver_already_assigned", active, False),
        (assign(free, taken), "load_already_assigned", blocked, None),
        (assign(inactive, taken), "load_already_assigned", blocked, None),
        (assign(inactive, cancelled), "load_not_open", None, None),
        (assign(inactive, unplanned), "driver_inactive", None, None),
        (assign(other, unplanned), "driver_already_assigned", blocked, True),
        (assign(other, next_), "driver_already_assigned", blocked, False),
        (assign(other, cancelled), "driver_already_assigned", blocked, False),
        (assign(busy, next_, plan=True), "driver_already_planned", planned, None),
        (assign(busy, unplanned, plan=True), "driver_already_planned", planned, None),
        (assign(other, next_, plan=True), "load_already_planned", planned, None),
        (assign(other, mine, plan=True), "load_already_assigned", active, None),
        (assign(other, cancelled, plan=True), "load_not_open", None, None),
        (assign(free, next_), "load_already_planned", planned, None),
        (assign(free, next_, plan=True), "load_already_planned", planned, None),
        (assign(inactive, unplanned, plan=True), "driver_inactive", None, None),
        (of(planned, "status", status="COMPLETED"), "assignment_not_active", None, None),
        (of(gone, "status", status="ASSIGNED"), "assignment_not_active", None, None),
        (of(planned, "reassign", driverId=1), "driver_already_planned", planned, None),
        (of(planned, "reassign", driverId=2), "driver_already_assigned", blocked, True),
        (of(blocked, "reassign", driverId=1, plan=True), "driver_already_planned", planned, None),
    ):
        answer = client.request(method, f"/assignments{path}", body)
        problem = assert_problem(answer, 409, code)
        assert problem.get("assignmentId") == (blocker and blocker["id"]), body
        assert problem.get("canPlan") == can_plan, body
        assert ('`"plan": true`' in problem["detail"]) == bool(can_plan)
        assert client.get("/assignments?expand=driver,load").json == before

    cancel = client.patch(f"/loads/{next_['id']}", {"status": "CANCELLED"})
    assert assert_problem(cancel, 409, "load_already_planned")["assignmentId"] == planned["id"]
    client.close(planned, "CANCELLED")
    plan(client, other, next_)
    client.close(client.assign(free, unplanned), "CANCELLED")
    client.close(active, "COMPLETED")
    refused = client.post(f"/assignments/{planned['id']}/reopen", {"reason": "A wrong tap"})
    assert_problem(refused, 409, "load_already_planned")
