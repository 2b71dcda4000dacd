"""Loads over HTTP: their life cycle and their timeline."""

from random import Random

import pytest

from tests.support.answers import assert_problem
from tests.support.apps import client_with_token

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}


@pytest.fixture
def client(app):
    return client_with_token(app)


def test_a_load_is_created_shown_and_listed(client):
    answer = client.post("/loads", LOAD | {"origin": "\t Dallas, TX \u3000"})
    load = answer.json
    assert answer.status_code == 201
    assert load | LOAD | {"status": "OPEN", "updatedAt": load["createdAt"]} == load
    assert client.get(f"/loads/{load['id']}").json == load
    assert client.get("/loads").json == [load]


def test_a_new_load_was_updated_when_it_was_created(client):
    loads = [client.make_load() for _ in range(100)]
    assert [load["updatedAt"] for load in loads] == [load["createdAt"] for load in loads]


def test_the_longest_values_fit_into_the_index_of_all_filters(client):
    letters = Random(1)  # noqa: S311 - not compressible is all it has to be
    of_four_bytes = [chr(letters.randrange(0x20000, 0x2A000)) for _ in range(200)]
    longest = "".join(of_four_bytes)
    load = client.make_load(origin=longest, destination=longest[::-1], cargoType=longest[:100])
    query = {name: load[name] for name in ("origin", "destination", "cargoType")}
    assert client.get("/loads", query_string=query).json == [load]


def timeline(client, load):
    return client.get(f"/loads/{load['id']}/timeline").json


def test_a_load_is_changed_cancelled_and_reopened_each_with_its_event(client):
    load = client.make_load()
    for changes, event_type in (
        ({"origin": "Austin, TX"}, "LOAD_UPDATED"),
        ({"destination": "Miami, FL", "cargoType": "Reefer"}, "LOAD_UPDATED"),
        ({"status": "CANCELLED"}, "LOAD_CANCELLED"),
        ({"origin": "Waco, TX"}, "LOAD_UPDATED"),
        ({"status": "OPEN", "cargoType": "Flatbed"}, "LOAD_UPDATED"),
        ({"status": "CANCELLED", "origin": "El Paso, TX"}, "LOAD_CANCELLED"),
    ):
        answer = client.patch(f"/loads/{load['id']}", changes)
        assert answer.status_code == 200
        assert answer.json == load | changes | {"updatedAt": answer.json["updatedAt"]}
        assert answer.json["updatedAt"] > load["updatedAt"]
        load = answer.json
        assert client.get(f"/loads/{load['id']}").json == load
        event = timeline(client, load)[-1]
        assert (event["type"], event["payload"]["load"]) == (event_type, load)


def test_an_update_event_holds_the_previous_values_by_their_json_names(client):
    load = client.make_load()
    changes = {"origin": "Austin, TX", "destination": LOAD["destination"], "cargoType": "Reefer"}
    client.patch(f"/loads/{load['id']}", changes)
    before = timeline(client, load)[-1]["payload"]["before"]
    assert before == {"origin": LOAD["origin"], "cargoType": LOAD["cargoType"]}


@pytest.mark.parametrize("status", ["OPEN", "CANCELLED"])
def test_a_patch_that_changes_nothing_leaves_no_event_and_no_new_version(client, status):
    load = client.make_load()
    load = client.patch(f"/loads/{load['id']}", {"status": status}).json
    events = timeline(client, load)
    for changes in ({}, {"status": status}, LOAD, {"origin": f" {LOAD['origin']} "}):
        answer = client.patch(f"/loads/{load['id']}", changes)
        assert (answer.status_code, answer.json) == (200, load)
    assert client.get(f"/loads/{load['id']}").json == load
    assert timeline(client, load) == events


@pytest.mark.parametrize("closing", [None, "COMPLETED"])
@pytest.mark.parametrize("changes", [{"origin": "Elsewhere"}, {"status": "CANCELLED"}, {}])
def test_an_assigned_or_completed_load_is_not_editable(client, closing, changes):
    load = client.make_load()
    assignment = client.assign(client.make_driver(), load)
    if closing:
        client.close(assignment, closing)
    load, events = client.get(f"/loads/{load['id']}").json, timeline(client, load)
    refused = client.patch(f"/loads/{load['id']}", changes)
    assert_problem(refused, 409, "load_not_editable")
    assert client.get(f"/loads/{load['id']}").json == load
    assert timeline(client, load) == events


def test_a_load_whose_assignment_was_cancelled_is_editable_again(client):
    load = client.make_load()
    client.close(client.assign(client.make_driver(), load), "CANCELLED")
    assert client.patch(f"/loads/{load['id']}", {"origin": "Elsewhere"}).status_code == 200


@pytest.mark.parametrize("status", ["ASSIGNED", "COMPLETED", "open", "", None, 1])
def test_a_patch_can_only_set_the_status_open_or_cancelled(client, status):
    load = client.make_load()
    answer = client.patch(f"/loads/{load['id']}", {"status": status})
    problem = assert_problem(answer, 422, "validation_failed")
    assert list(problem["errors"]) == ["status"]
    assert client.get(f"/loads/{load['id']}").json == load


def test_unknown_loads_are_404(client):
    for answer in (
        client.get("/loads/1"),
        client.patch("/loads/1", {"origin": "Nowhere"}),
        client.get("/loads/1/timeline"),
    ):
        assert_problem(answer, 404, "load_not_found")


def test_the_timeline_lists_all_events_of_a_load_oldest_first(client):
    load, driver = client.make_load(), client.make_driver()
    another = client.make_load()
    client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
    client.patch(f"/loads/{load['id']}", {"status": "OPEN"})
    first = client.assign(driver, load)
    client.close(first, "CANCELLED")
    second = client.assign(driver, load)
    client.close(second, "COMPLETED")

    events = timeline(client, load)
    assert [(event["type"], event["driverId"], event["assignmentId"]) for event in events] == [
        ("LOAD_CREATED", None, None),
        ("LOAD_CANCELLED", None, None),
        ("LOAD_UPDATED", None, None),
        ("ASSIGNED", driver["id"], first["id"]),
        ("ASSIGNMENT_CANCELLED", driver["id"], first["id"]),
        ("ASSIGNED", driver["id"], second["id"]),
        ("LOAD_COMPLETED", driver["id"], second["id"]),
    ]
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert {event["loadId"] for event in events} == {load["id"]}
    assert len({event["id"] for event in events}) == len(events)
    user = {"id": 1, "name": "Somebody"}
    assert events[0]["payload"] == {"load": load, "user": user}
    assert events[3]["payload"] == {
        "load": load
        | {"status": "ASSIGNED", "updatedAt": events[3]["payload"]["load"]["updatedAt"]},
        "driver": driver,
        "user": user,
    }
    assert [event["user"] for event in events] == [user] * len(events)
    assert [event["type"] for event in timeline(client, another)] == ["LOAD_CREATED"]


def test_an_event_carries_the_id_of_the_request_that_made_it(client):
    load = client.make_load()
    headers = {"X-Request-ID": "cancelled-by-this"}
    client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"}, headers=headers)
    assert timeline(client, load)[-1]["requestId"] == "cancelled-by-this"


PLACES = [
    ("Montréal", "Montre\u0301al"),
    ("Montre\u0301al", "MONTRÉAL"),
    ("Dallas, TX", "dallas,  tx"),
    ("Dallas,  TX", "Dallas, TX"),
    ("Dallas,\u00a0TX", "Dallas, TX"),
    ("Dallas, TX", "\u2003dallas,\u2009TX\n"),
    ("São Paulo", "SA\u0303O\tpaulo"),
    ("Łódź", "łódź"),
    ("\u212bngstr\u00f6m", "\u00e5ngström"),
]


@pytest.mark.parametrize("field", ["origin", "destination", "cargoType"])
@pytest.mark.parametrize(("typed", "searched"), PLACES, ids=[ascii(pair) for pair in PLACES])
def test_places_and_cargo_types_are_found_as_people_type_them(client, field, typed, searched):
    load = client.make_load(**{field: typed})
    client.make_load()
    assert client.get("/loads", query_string={field: searched}).json[-1] == load
    exported = client.get("/loads.csv", query_string={field: searched}).text
    assert f"\r\n{load['id']}," in exported


def test_accents_distinguish_places(client):
    load = client.make_load(origin="Montréal")
    assert client.get("/loads?origin=Montreal").json == []
    assert client.get("/loads", query_string={"origin": "montréal"}).json == [load]


# References


def test_a_load_has_a_reference_or_none(client):
    load = client.make_load(reference=" PO\u00a01001 ")
    assert load["reference"] == "PO 1001"
    assert client.make_load()["reference"] is None
    assert client.make_load(reference=None)["reference"] is None
    assert client.get(f"/loads/{load['id']}").json == load
    for reference in ("PO 1001", "po-1001", "PO1001"):
        assert client.get("/loads", query_string={"reference": reference}).json == [load]
    assert client.get("/loads?reference=PO-2").json == []
    changed = client.patch(f"/loads/{load['id']}", {"reference": None}).json
    assert changed["reference"] is None
    assert timeline(client, load)[-1]["payload"]["before"] == {"reference": "PO 1001"}
    assert timeline(client, load)[0]["payload"]["load"] == load


def test_a_reference_belongs_to_one_load(client):
    load, other = client.make_load(reference="PO-1"), client.make_load(reference="PO-2")
    for refused in (
        client.post("/loads", LOAD | {"reference": "po 1"}),
        client.patch(f"/loads/{other['id']}", {"reference": "PO1"}),
    ):
        problem = assert_problem(refused, 409, "reference_taken")
        assert problem["loadId"] == load["id"]
        assert f"Load {load['id']} has this reference" in problem["detail"]
    assert client.get("/loads").json == [other, load]
    assert client.patch(f"/loads/{load['id']}", {"reference": "po 1"}).status_code == 200


def test_a_cancelled_load_leaves_its_reference_to_another(client):
    first = client.make_load(reference="PO-1")
    first = client.patch(f"/loads/{first['id']}", {"status": "CANCELLED"}).json
    second = client.make_load(reference="PO 1")
    assert client.get("/loads?reference=po1").json == [second, first]
    refused = client.patch(f"/loads/{first['id']}", {"status": "OPEN"})
    assert assert_problem(refused, 409, "reference_taken")["loadId"] == second["id"]
    assert client.get(f"/loads/{first['id']}").json == first
    assert [event["type"] for event in timeline(client, first)] == [
        "LOAD_CREATED",
        "LOAD_CANCELLED",
    ]
    reopened = client.patch(f"/loads/{first['id']}", {"status": "OPEN", "reference": "PO-3"})
    assert (reopened.status_code, reopened.json["reference"]) == (200, "PO-3")


def test_an_assigned_or_completed_load_keeps_its_reference(client):
    load = client.make_load(reference="PO-1")
    assignment = client.assign(client.make_driver(), load)
    for status in ("ASSIGNED", "COMPLETED"):
        refused = client.post("/loads", LOAD | {"reference": "PO-1"})
        assert assert_problem(refused, 409, "reference_taken")["loadId"] == load["id"]
        if status == "ASSIGNED":
            client.close(assignment, "COMPLETED")


@pytest.mark.parametrize("reference", ["", " ", "--", "\u200b", "P\u041e-1", "x" * 65, 1, ["PO-1"]])
def test_a_reference_is_a_short_text_with_a_letter_or_a_digit(client, reference):
    answer = client.post("/loads", LOAD | {"reference": reference})
    problem = assert_problem(answer, 422, "validation_failed")
    assert list(problem["errors"]) == ["reference"]
