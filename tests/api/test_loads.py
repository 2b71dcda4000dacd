"""Loads over HTTP: their life and their timeline. And the paging that all lists share."""

from itertools import chain
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.support.answers import assert_problem, next_page, pages
from tests.support.apps import client_with_token

LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}


@pytest.fixture
def client(app):
    return client_with_token(app)


def test_a_load_is_created_shown_and_listed(client):
    answer = client.post("/loads", LOAD | {"origin": "\t Dallas, TX \u3000"})
    load = answer.json
    assert answer.status_code == 201
    assert load == {
        **LOAD,
        "id": load["id"],
        "status": "OPEN",
        "createdAt": load["createdAt"],
        "updatedAt": load["createdAt"],
    }
    assert client.get(f"/loads/{load['id']}").json == load
    assert client.get("/loads").json == [load]


def timeline(client, load):
    return client.get(f"/loads/{load['id']}/timeline").json


def test_a_load_is_changed_cancelled_and_opened_again_each_with_its_event(client):
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


def test_an_update_tells_what_was_before_by_its_wire_names(client):
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
def test_a_patch_can_only_open_or_cancel(client, status):
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


def test_the_timeline_tells_of_a_whole_life_oldest_first(client):
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


def test_loads_are_filtered_whatever_the_case_of_places_and_cargo(client):
    dry = client.make_load()
    reefer = client.make_load(cargoType="Reefer")
    north = client.make_load(destination="Chicago, IL")
    client.patch(f"/loads/{north['id']}", {"status": "CANCELLED"})
    client.assign(client.make_driver(), reefer)
    percent = client.make_load(origin="100% _ & \\ 'o''")

    def ids(**query):
        return [load["id"] for load in client.get("/loads", query_string=query).json]

    assert ids() == [load["id"] for load in (percent, north, reefer, dry)]
    assert ids(status="OPEN") == [percent["id"], dry["id"]]
    assert ids(status="CANCELLED") == [north["id"]]
    assert ids(origin="dallas, tx") == [north["id"], reefer["id"], dry["id"]]
    assert ids(destination=" CHICAGO, IL ") == [north["id"]]
    assert ids(cargoType="reefer", status="ASSIGNED") == [reefer["id"]]
    assert ids(cargoType="reefer", status="OPEN") == []
    assert ids(origin=percent["origin"]) == [percent["id"]]
    # Whole values, no patterns.
    assert ids(origin="Dallas") == ids(origin="%") == []


def make_user(client, number):
    answer = client.post("/users", {"name": "N", "email": f"{number}@billor.example"})
    return answer.json


def make_assignment(client, number):
    return client.assign(client.make_driver(f"TX-{number}"), client.make_load())


MAKERS = {
    "/loads": lambda client, number: client.make_load(),
    "/drivers": lambda client, number: client.make_driver(f"TX-{number}"),
    "/users": make_user,
    "/assignments": make_assignment,
}
every_list = pytest.mark.parametrize(("address", "make"), MAKERS.items(), ids=MAKERS)


def make_some(client, address, make, count=5):
    """Make things, newest first, and give them as the list does: all there are."""
    for number in range(count):
        make(client, number)
    return client.get(f"{address}?limit=200").json


@every_list
def test_a_list_comes_in_pages_newest_first(client, address, make):
    items = make_some(client, address, make)
    assert [item["id"] for item in items] == sorted((item["id"] for item in items), reverse=True)
    for limit in (1, 2, len(items) - 1, len(items), len(items) + 1):
        got = list(pages(client, f"{address}?limit={limit}"))
        assert list(chain(*got)) == items
        assert [len(page) for page in got[:-1]] == [limit] * (len(got) - 1)
        assert got[-1]  # no empty page at the end


@every_list
def test_what_is_made_while_somebody_pages_neither_repeats_nor_hides_anything(
    client, address, make
):
    items = make_some(client, address, make)
    got = []
    for number, page in enumerate(pages(client, f"{address}?limit=2")):
        got += page
        make(client, f"new-{number}")
    assert got == items


def test_a_page_has_50_items_unless_told(client):
    for number in range(51):
        client.make_driver(f"TX-{number}")
    answer = client.get("/drivers")
    assert len(answer.json) == 50
    assert [driver["licenseNumber"] for driver in client.get(next_page(answer)).json] == ["TX-0"]


def test_the_next_page_keeps_the_filters_and_the_limit(client):
    origin = "Ålesund & Co?=#%"
    loads = []
    for _ in range(3):
        client.make_load()
        loads.append([client.make_load(origin=origin)])
    query = urlencode({"origin": origin, "status": "OPEN", "limit": 1})
    assert list(pages(client, f"/loads?{query}")) == loads[::-1]


LISTS = (*MAKERS, "/audit")


@pytest.mark.parametrize("address", LISTS)
def test_limits_from_1_to_200_are_taken_and_others_refused(client, address):
    for limit in (1, 200):
        assert client.get(f"{address}?limit={limit}").status_code == 200
    for limit in ("0", "201", "-1", "+1", "1.0", "1e1", "ten", "", " 1", "٣", "9" * 5000):
        answer = client.get(address, query_string={"limit": limit})
        problem = assert_problem(answer, 422, "validation_failed")
        assert list(problem["errors"]) == ["limit"]


@pytest.fixture
def damaged(client):
    """Cursors that nobody was given."""
    client.make_driver("TX-1")
    client.make_driver("TX-2")
    drivers = next_page(client.get("/drivers?limit=1"))
    cursor = parse_qs(urlsplit(drivers).query)["cursor"][0]
    position, signature = cursor.rsplit(".", 1)
    other = "A" if signature[0] != "A" else "B"
    return [
        cursor,  # of another list
        f"{position}.{other}{signature[1:]}",
        f"{position[:-1]}.{signature}",
        f"{cursor}A",
        position,
        f"{position}.",
        "1",
        "",
        "é\x00",
        "x" * 5000,
    ]


@pytest.mark.parametrize("address", LISTS)
def test_a_damaged_cursor_is_refused(client, damaged, address):
    for cursor in damaged[address == "/drivers" :]:
        answer = client.get(address, query_string={"cursor": cursor})
        problem = assert_problem(answer, 422, "validation_failed")
        assert list(problem["errors"]) == ["cursor"]
