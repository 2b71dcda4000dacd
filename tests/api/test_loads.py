"""Loads over HTTP: their life, their refusals, their timeline, times and references."""

import pytest

from tests.support.answers import assert_invalid, assert_problem, in_events, in_lists
from tests.support.apps import client_with_token
from tests.support.rival import beaten

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
EARLY, LATE = "2026-03-01T08:00:00.000000Z", "2026-03-02T08:00:00.000000Z"


def timeline(client, load):
    return client.get(f"/loads/{load['id']}/timeline").json


def test_a_load_is_created_changed_cancelled_and_reopened_each_with_its_event(client):
    answer = client.post("/loads", LOAD | {"origin": "\t Dallas, TX \u3000"})
    load = answer.json
    address = f"/loads/{load['id']}"
    assert (answer.status_code, answer.headers["Location"]) == (201, address)
    assert load | LOAD | {"status": "OPEN", "updatedAt": load["createdAt"]} == load
    assert client.get(address).json == load
    for changes, event_type in (
        ({"origin": "Austin, TX"}, "LOAD_UPDATED"),
        ({"destination": "Miami, FL", "cargoType": "Reefer"}, "LOAD_UPDATED"),
        ({"status": "CANCELLED"}, "LOAD_CANCELLED"),
        ({"origin": "Waco, TX"}, "LOAD_UPDATED"),
        ({"status": "OPEN", "pickupAt": EARLY, "deliverBy": LATE}, "LOAD_UPDATED"),
        ({"status": "CANCELLED", "reference": "PO-1"}, "LOAD_CANCELLED"),
    ):
        answer = client.patch(address, changes)
        assert answer.status_code == 200
        assert answer.json == load | changes | {"updatedAt": answer.json["updatedAt"]}
        assert answer.json["updatedAt"] > load["updatedAt"]
        event = timeline(client, load)[-1]
        assert (event["type"], event["payload"]["load"]) == (event_type, answer.json)
        assert event["payload"]["before"] == {name: load[name] for name in changes}
        load = answer.json
        assert client.get("/loads").json == [in_lists(load)]


@pytest.mark.parametrize("status", ["OPEN", "CANCELLED"])
def test_a_patch_that_changes_nothing_leaves_no_event_and_no_new_version(client, status):
    load = client.make_load()
    load = client.patch(f"/loads/{load['id']}", {"status": status}).json
    events = timeline(client, load)
    for changes in ({}, {"status": status}, LOAD, {"origin": f" {LOAD['origin']} "}):
        answer = client.patch(f"/loads/{load['id']}", changes)
        assert (answer.status_code, answer.json) == (200, load)
    assert timeline(client, load) == events


def test_an_assigned_load_is_changed_for_its_driver(client):
    client.make_load(reference="PO-1")
    load, driver = client.make_load(), client.make_driver()
    client.close(client.assign(client.make_driver("TX-2"), load), "CANCELLED")
    assignment = client.assign(driver, load)
    address = f"/loads/{load['id']}"
    load = client.get(address).json
    assert_problem(client.patch(address, {"reference": "po 1"}), 409, "reference_taken")
    assert_invalid(client.patch(address, {"pickupAt": LATE, "deliverBy": EARLY}), "deliverBy")
    changes = {"destination": "Miami, FL", "reference": "PO-2", "pickupAt": EARLY}
    changed = client.patch(address, changes).json
    assert changed == load | changes | {"updatedAt": changed["updatedAt"]}
    assert client.get("/assignments?expand=load").json[0]["load"] == in_lists(changed)
    event = timeline(client, load)[-1]
    assert (event["type"], event["assignmentId"]) == ("LOAD_UPDATED", assignment["id"])
    assert (event["driverId"], event["payload"]["driver"]) == (driver["id"], in_events(driver))
    client.close(assignment, "CANCELLED")
    client.patch(address, {"origin": "Waco, TX"})
    assert timeline(client, load)[-1]["assignmentId"] is None


@pytest.mark.parametrize(
    ("closing", "extra"), [(None, {"status": "OPEN"}), ("COMPLETED", {"cargoType": "Steel"})]
)
def test_what_an_assigned_or_completed_load_does_not_allow(client, closing, extra):
    load = client.make_load(reference="PO-1")
    assignment = client.assign(client.make_driver(), load)
    if closing:
        client.close(assignment, closing)
    load, events = client.get(f"/loads/{load['id']}").json, timeline(client, load)
    for changes in ({"status": "CANCELLED"}, {"origin": "Elsewhere"} | extra, extra):
        refused = client.patch(f"/loads/{load['id']}", changes)
        assert_problem(refused, 409, "load_not_editable")
    taken = client.post("/loads", LOAD | {"reference": "po 1"})
    assert assert_problem(taken, 409, "reference_taken")["loadId"] == load["id"]
    assert client.get("/loads").json == [in_lists(load)]
    assert timeline(client, load) == events


def test_the_timeline_lists_all_events_of_a_load_oldest_first(app, client):
    load, driver = client.make_load(), client.make_driver()
    client.make_load()
    dana = client_with_token(app, "Dana Dispatcher", "dana@billor.example")
    headers = {"X-Request-ID": "cancelled-by-this"}
    dana.patch(f"/loads/{load['id']}", {"status": "CANCELLED"}, headers=headers)
    client.patch(f"/loads/{load['id']}", {"status": "OPEN"})
    client.close(client.assign(driver, load), "COMPLETED")

    events = timeline(client, load)
    assert [(event["type"], event["driverId"], event["assignmentId"]) for event in events] == [
        *(("LOAD_CREATED", None, None), ("LOAD_CANCELLED", None, None)),
        *(("LOAD_UPDATED", None, None), ("ASSIGNED", 1, 1), ("LOAD_COMPLETED", 1, 1)),
    ]
    assert {event["loadId"] for event in events} == {load["id"]}
    assert (events[1]["requestId"], events[1]["user"]["name"]) == (
        *("cancelled-by-this", "Dana Dispatcher"),
    )
    assert events[3]["payload"]["driver"] == in_events(driver)
    assert events[3]["payload"]["user"] == {"id": 1, "name": "Demo Dispatcher"}


DETAILS = {
    "weightKg": 19_000,
    "equipment": "Reefer",
    "pickupContact": "Dana, gate 2",
    "pickupPhone": "+12145550123;ext=12",
    "deliveryContact": "Lee",
    "deliveryPhone": "+528112345678",
    "notes": "Call an hour before.\n\nNo pallets.",
}


def test_a_load_has_what_the_driver_must_know_on_its_own_page_only(client, statements):
    typed = {
        "pickupPhone": "(214) 555-0123 ext. 12",
        "notes": " Call an  hour before.\r\n\nNo pallets.",
    }
    load = client.make_load(**DETAILS | typed)
    shown = {"pickupPhoneShown": "(214) 555-0123 ext. 12", "deliveryPhoneShown": "+52 81 1234 5678"}
    assert load | DETAILS | shown == load
    assignment = client.assign(client.make_driver(), load)
    for address in (f"/assignments/{assignment['id']}", "/loads/1/timeline?limit=1"):
        answer = client.get(address).json
        found = answer[0]["payload"] if isinstance(answer, list) else answer
        assert found["load"] | DETAILS | shown == found["load"]
    with statements:
        (listed,) = client.get("/loads").json
    assert "notes" not in statements.sent[-1]
    assert listed.keys() & {*DETAILS, *shown} == {"weightKg", "equipment"}
    none = dict.fromkeys(DETAILS)
    changed = client.patch("/loads/1", none).json
    assert changed | none | dict.fromkeys(shown) == changed
    assert timeline(client, load)[-1]["payload"]["before"] == DETAILS | shown


# Comments


def test_a_comment_is_an_event_that_names_the_driver_only_if_the_driver_may_see_it(client):
    load, driver = client.make_load(), client.make_driver()
    said = {"text": "Dock 4 is\nclosed", "visibleToDriver": True}
    closed = client.assign(driver, load)
    client.close(closed, "CANCELLED")
    free = client.post("/loads/1/comments", said).json
    assignment = client.assign(driver, load)
    load = client.get("/loads/1").json
    hidden = client.post("/loads/1/comments", {"text": " Pays late "})
    seen = client.post("/loads/1/comments", said, headers={"Idempotency-Key": "once"})
    again = client.post("/loads/1/comments", said, headers={"Idempotency-Key": "once"})
    assert (hidden.status_code, seen.status_code, again.json) == (201, 201, seen.json)
    assert timeline(client, load)[-2:] == [hidden.json, seen.json]
    assert free in timeline(client, load)
    named = [(each["driverId"], each["assignmentId"]) for each in (free, hidden.json, seen.json)]
    assert named == [(None, None), (None, None), (driver["id"], assignment["id"])]
    assert hidden.json["payload"]["comment"] == {
        "text": "Pays late",
        "visibleToDriver": False,
        "byDriver": False,
    }
    comment = seen.json
    assert (comment["type"], comment["user"]["name"]) == ("LOAD_COMMENTED", "Demo Dispatcher")
    assert comment["payload"]["comment"] == said | {"byDriver": False}
    assert (comment["payload"]["load"], comment["payload"]["driver"]) == (load, in_events(driver))
    assert client.get("/loads/1").json == load
    assert_invalid(client.post("/loads/1/comments", said | {"byDriver": True}), "byDriver")


# Times


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("pickupTo", "pickupAt"),
        ("deliverFrom", "pickupAt"),
        ("deliverBy", "pickupAt"),
        ("deliverBy", "deliverFrom"),
    ],
)
def test_a_time_before_one_that_it_must_follow_is_refused_by_its_name(client, later, earlier):
    assert_invalid(client.post("/loads", LOAD | {earlier: LATE, later: EARLY}), later)
    load = client.make_load(**{earlier: EARLY, later: EARLY})
    for changes in (
        {earlier: LATE},
        {later: "2026-03-01T07:59:59.999999Z"},
        {earlier: LATE, "status": "CANCELLED"},
    ):
        answer = client.patch(f"/loads/{load['id']}", changes)
        assert answer.json["errors"] == {later: [f"Must not be before `{earlier}`."]}
    assert client.get(f"/loads/{load['id']}").json == load
    for changes in ({earlier: LATE, later: LATE}, {earlier: None, later: EARLY}):
        assert client.patch(f"/loads/{load['id']}", changes).status_code == 200


def test_two_changes_at_once_cannot_put_the_delivery_before_the_pickup(app, client):
    client.make_load(pickupAt=EARLY, deliverBy=LATE)
    sooner = "UPDATE loads SET deliver_by = pickup_at"
    assert_invalid(beaten(app, sooner, client.patch, "/loads/1", {"pickupAt": LATE}), "deliverBy")


# References


def test_a_reference_belongs_to_one_load_however_typed(client):
    load = client.make_load(reference=" PO\u00a01001 ")
    assert load["reference"] == "PO 1001"
    other = client.make_load(reference="PO-2")
    for reference in ("PO 1001", "po-1001", "PO1001"):
        for refused in (
            client.post("/loads", LOAD | {"reference": reference}),
            client.patch(f"/loads/{other['id']}", {"reference": reference}),
        ):
            problem = assert_problem(refused, 409, "reference_taken")
            assert problem["loadId"] == load["id"]
            assert f"Load {load['id']} has this reference" in problem["detail"]
            assert "ancel" not in problem["detail"]  # a COMPLETED load cannot be cancelled
        assert client.get("/loads", query_string={"reference": reference}).json == [in_lists(load)]
    assert client.get("/loads").json == [in_lists(other), in_lists(load)]
    for reference in ("po 1001", None, "PO-1001"):
        changed = client.patch(f"/loads/{load['id']}", {"reference": reference})
        assert (changed.status_code, changed.json["reference"]) == (200, reference)


def test_a_cancelled_load_leaves_its_reference_to_another(client):
    first = client.make_load(reference="PO-1")
    first = client.patch(f"/loads/{first['id']}", {"status": "CANCELLED"}).json
    second = client.make_load(reference="PO 1")
    assert client.get("/loads?reference=po1").json == [in_lists(second), in_lists(first)]
    refused = client.patch(f"/loads/{first['id']}", {"status": "OPEN"})
    assert assert_problem(refused, 409, "reference_taken")["loadId"] == second["id"]
    assert client.get(f"/loads/{first['id']}").json == first
    reopened = client.patch(f"/loads/{first['id']}", {"status": "OPEN", "reference": "PO-3"})
    assert (reopened.status_code, reopened.json["reference"]) == (200, "PO-3")
