"""Check-ins: how far a driver is, in the order in which it happened, and what delays the load."""

from datetime import UTC, datetime, timedelta

import pytest

from billor.errors import CODES
from billor.models import Role
from tests.support.answers import assert_invalid, assert_problem, pages
from tests.support.apps import client_with_token
from tests.support.client import ApiClient
from tests.support.databases import run_sql
from tests.support.rival import beaten

MINE = "/me/assignment/check-ins"
OTHERS = "/assignments/4/check-ins"
EXPECTED = "2098-01-01T12:00:00.000000Z"
PROGRESS = ("progress", "progressAt", "expectedAt", "delayReason")
DELAY = {"kind": "DELAYED", "reason": "Snow", "expectedAt": EXPECTED}
LOADED = {"kind": "LOADED"}
LONG_AGO = "UPDATE driver_load_assignments SET assigned_at = now() - interval '1 hour'"


@pytest.fixture
def driver(app, client) -> ApiClient:
    """The client of driver 1: assignment 1 is completed, 2 is cancelled, and 3 is active.

    All began an hour ago, and those ended half an hour ago. Driver 2 has assignment 4 and, planned,
    5.
    """
    mine, another = client.make_driver("TX-1"), client.make_driver("TX-2")
    for status in ("COMPLETED", "CANCELLED"):
        client.close(client.assign(mine, client.make_load()), status)
    client.assign(mine, client.make_load())
    client.assign(another, client.make_load())
    planned = {"driverId": another["id"], "loadId": client.make_load()["id"], "plan": True}
    assert client.post("/assignments", planned).json["status"] == "PLANNED"
    run_sql(app, LONG_AGO)
    run_sql(app, "UPDATE driver_load_assignments SET closed_at = closed_at - interval '30 minutes'")
    return client_with_token(app, "Alex", "alex@billor.example", Role.DRIVER, driver_id=1)


def ago(minutes: float) -> str:
    time = datetime.now(UTC) - timedelta(minutes=minutes)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def tap(client, path: str, kind: str = "LOADED", minutes: float = 0, **fields) -> dict:
    body = {"kind": kind, "happenedAt": ago(minutes)} | fields
    answer = client.post(path, body)
    assert answer.status_code == 201, answer.text
    return answer.json


def told(client) -> list:
    """What each view of the board says of assignment 3."""
    *_, load = client.get("/loads?expand=assignment").json[:3]
    shown = [
        client.get("/assignments/3").json,
        load["assignment"],
        client.get("/drivers?expand=assignment").json[1]["assignment"],
        client.get("/loads/3/timeline").json[-1]["payload"]["assignment"],
    ]
    return [progress_of(assignment) for assignment in shown]


def progress_of(assignment: dict) -> dict:
    return {name: assignment[name] for name in PROGRESS}


def test_the_way_of_a_load(client, driver):
    staff = "/assignments/3/check-ins"
    nothing = dict.fromkeys(PROGRESS)
    at_pickup = tap(client, staff, "AT_PICKUP", 20)
    assert at_pickup["happenedAt"] < at_pickup["receivedAt"]
    assert at_pickup["user"] == {"id": 1, "name": "Demo Dispatcher"}
    at = {"progress": "AT_PICKUP", "progressAt": at_pickup["happenedAt"]}
    assert told(client) == [nothing | at] * 4
    accepted = tap(driver, MINE, "ACCEPTED", 30)
    assert (accepted["user"]["name"], accepted["assignmentId"]) == ("Alex", 3)
    late = driver.post(MINE, DELAY).json
    assert timedelta(0) <= received(late) - happened(late) < timedelta(minutes=5)
    delayed = at | {"expectedAt": EXPECTED, "delayReason": "Snow"}
    assert told(client) == [delayed] * 4
    early = tap(driver, MINE, "LOADED", -4, assignmentId=3)
    assert happened(early) <= received(early), "a clock that is fast"
    loaded = {"progress": "LOADED", "progressAt": early["happenedAt"]}
    assert told(client) == [delayed | loaded] * 4

    in_order = [accepted, at_pickup, late, early]
    assert client.get(staff).json == driver.get(MINE).json == in_order
    assert [each for page in pages(client, f"{staff}?limit=1") for each in page] == in_order
    assert driver.request("DELETE", f"{MINE}/{early['id']}").status_code == 204
    assert told(client) == [delayed] * 4
    assert driver.request("DELETE", f"{MINE}/{late['id']}").status_code == 204
    assert told(client) == [nothing | at] * 4
    *_, checked_in, _, undone = client.get("/loads/3/timeline").json
    assert (checked_in["type"], undone["type"]) == ("CHECKED_IN", "CHECK_IN_UNDONE")
    assert (checked_in["payload"]["checkIn"], undone["payload"]["checkIn"]) == (early, late)
    assert (undone["driverId"], undone["assignmentId"], undone["user"]["name"]) == (1, 3, "Alex")

    client.close({"id": 3}, "COMPLETED")
    client.post("/assignments/3/reopen", {"reason": "A wrong tap"})
    assert told(client) == [nothing | at] * 4
    new = client.post("/assignments/4/reassign", {"driverId": client.make_driver("TX-3")["id"]})
    assert (new.json["progress"], client.get("/assignments/6/check-ins").json) == (None, [])


def happened(check_in: dict) -> datetime:
    return datetime.fromisoformat(check_in["happenedAt"])


def received(check_in: dict) -> datetime:
    return datetime.fromisoformat(check_in["receivedAt"])


def test_what_happened_before_a_completion_may_come_after_it(client, driver):
    check_in = tap(driver, MINE, "AT_DELIVERY", 31, assignmentId=1)
    assert client.get("/assignments/1").json["progress"] == "AT_DELIVERY"
    assert client.get("/assignments/3").json["progress"] is None
    assert driver.request("DELETE", f"{MINE}/{check_in['id']}").status_code == 204
    assert client.get("/assignments/1").json["progress"] is None


REFUSED = [
    # By the driver?, where, the body, and the code, or the fields that are not valid.
    (True, MINE, LOADED | {"assignmentId": 4}, "assignment_not_found"),
    (True, MINE, LOADED | {"assignmentId": 99}, "assignment_not_found"),
    (True, MINE, LOADED | {"assignmentId": 1}, "assignment_not_active"),
    (True, MINE, LOADED | {"assignmentId": 2, "happenedAt": 31}, "assignment_not_active"),
    (True, MINE, LOADED | {"assignmentId": 1, "happenedAt": 29}, "assignment_not_active"),
    (True, MINE, LOADED | {"happenedAt": 66}, "assignment_not_active"),
    (True, MINE, LOADED | {"happenedAt": -6}, ["happenedAt"]),
    (True, MINE, {"kind": "DELAYED"}, ["reason", "expectedAt"]),
    (True, MINE, LOADED | {"reason": "Snow"}, ["reason"]),
    (True, MINE, DELAY | {"kind": "LOADED"}, ["reason", "expectedAt"]),
    (True, MINE, DELAY | {"expectedAt": 1}, ["expectedAt"]),
    (True, OTHERS, LOADED, "role_missing"),
    (True, f"{MINE}/2", None, "check_in_not_found"),
    (True, f"{MINE}/1", None, "too_late_to_undo"),
    (False, "/assignments/5/check-ins", LOADED, "assignment_not_active"),
    (False, OTHERS, LOADED | {"assignmentId": 4}, ["assignmentId"]),
    (False, "/assignments/3/check-ins/2", None, "check_in_not_found"),
]


def test_a_refused_check_in_changes_nothing(client, driver):
    """Check-in 1 is the dispatcher's of this driver, and 2 of the other."""
    for id_ in (3, 4):
        tap(client, f"/assignments/{id_}/check-ins", minutes=10)

    def everything() -> list:
        lists = [client.get(f"/assignments/{id_}/check-ins").json for id_ in (1, 2, 3, 4)]
        return [*lists, client.get("/assignments").json, client.get("/loads/3/timeline").json]

    before = everything()
    for is_driver, path, body, expected in REFUSED:
        sent = body and {
            name: ago(value) if name.endswith("At") and isinstance(value, int) else value
            for name, value in body.items()
        }
        method = "POST" if sent else "DELETE"
        answer = (driver if is_driver else client).request(method, path, sent)
        if isinstance(expected, str):
            assert_problem(answer, CODES[expected].status, expected)
        else:
            assert_invalid(answer, *expected)
        assert everything() == before, body


def test_a_check_in_cannot_be_undone_later(app, client, driver):
    path = f"{MINE}/{tap(driver, MINE)['id']}"
    run_sql(app, "UPDATE check_ins SET received_at = received_at - interval '6 minutes'")
    assert_problem(driver.request("DELETE", path), 409, "too_late_to_undo")
    assert client.get("/assignments/3").json["progress"] == "LOADED"


def test_a_check_in_changes_the_etag_of_its_assignment_but_not_its_id(driver):
    stale = {"If-Match": driver.get("/me/assignment").headers["ETag"]}
    path = f"{MINE}/{driver.post(MINE, LOADED, headers=stale).json['id']}"
    completed = {"status": "COMPLETED"}
    for method, address, body in (
        ("POST", MINE, LOADED),
        ("DELETE", path, None),
        ("PATCH", "/me/assignment/status", completed),
    ):
        refused = driver.request(method, address, body, headers=stale)
        assert_problem(refused, 412, "precondition_failed")
    foreign = driver.patch("/me/assignment/status", completed | {"assignmentId": 4})
    assert_problem(foreign, 404, "assignment_not_found")
    late = completed | {"happenedAt": ago(-10)}
    assert_invalid(driver.patch("/me/assignment/status", late), "happenedAt")
    late["happenedAt"] = ago(70)
    assert_problem(driver.patch("/me/assignment/status", late), 409, "assignment_not_active")
    late["happenedAt"] = ago(20)
    for time in (late, completed):
        answer = driver.patch("/me/assignment/status", time | {"assignmentId": 3})
        assert (answer.status_code, answer.json["id"]) == (200, 3)
        assert answer.json["closedAt"] == late["happenedAt"]


def test_a_check_in_never_reaches_an_assignment_that_ended_meanwhile(app, client, driver):
    ends = "status = 'CANCELLED', closed_at = assigned_at"
    statement = f"UPDATE driver_load_assignments SET {ends} WHERE id = 3"  # noqa: S608
    said = beaten(app, statement, client.post, "/assignments/3/check-ins", LOADED)
    assert_problem(said, 409, "assignment_not_active")
    assert client.get("/assignments/3/check-ins").json == []
