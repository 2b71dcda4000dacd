"""The filters of lists, and the users in the timeline."""

from itertools import chain, pairwise

import pytest
from sqlalchemy import update

from billor.extensions import db
from billor.models import Load
from tests.support.answers import assert_invalid, pages
from tests.support.apps import client_with_token

SECOND = "2026-01-02T03:04:05"


@pytest.fixture
def client(app):
    return client_with_token(app)


def found(client, path, query):
    """The ids in a list."""
    answer = client.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json]


def test_loads_are_filtered_by_place_cargo_and_status(client):
    dry = client.make_load()["id"]
    reefer = client.make_load(cargoType="Reefer")
    north = client.make_load(destination="Chicago, IL")["id"]
    client.patch(f"/loads/{north}", {"status": "CANCELLED"})
    client.assign(client.make_driver(), reefer)
    reefer = reefer["id"]
    odd = client.make_load(origin="100% _ & \\ 'o''")["id"]
    for query, expected in (
        ({}, [odd, north, reefer, dry]),
        ({"status": "OPEN"}, [odd, dry]),
        ({"status": "CANCELLED"}, [north]),
        ({"status": ["OPEN", "ASSIGNED"]}, [odd, reefer, dry]),
        ({"status": ["CANCELLED", "OPEN", "CANCELLED"]}, [odd, north, dry]),
        ({"status": "COMPLETED"}, []),
        ({"origin": "Dallas, TX"}, [north, reefer, dry]),
        ({"destination": " Chicago, IL "}, [north]),
        ({"cargoType": "Reefer", "status": "ASSIGNED"}, [reefer]),
        ({"cargoType": "Reefer", "status": ["OPEN", "CANCELLED"]}, []),
        ({"origin": "Dallas, TX", "destination": "Atlanta, GA"}, [reefer, dry]),
        # Exact values, no patterns.
        ({"origin": "100% _ & \\ 'o''"}, [odd]),
        ({"origin": "Dallas"}, []),
        ({"origin": "%"}, []),
        ({"origin": "______, __"}, []),
    ):
        assert found(client, "/loads", query) == expected, query


@pytest.mark.parametrize("field", ["origin", "destination", "cargoType"])
@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ("Dallas, TX", ["dallas, tx", "DALLAS, TX", "dAllAs, Tx"]),
        ("ŁÓDŹ", ["łódź", "Łódź", "ŁÓDŹ"]),
        ("Ærøskøbing", ["ÆRØSKØBING", "ærøskøbing"]),
        ("ΑΘΗΝΑ", ["αθηνα"]),
        ("ЯЩЖ", ["ящж"]),
        # Their case mapping is not one to one; an exact match must find them at least.
        ("İSTANBUL I\u0131i", ["İSTANBUL I\u0131i"]),
        ("Straße ẞ ß", ["Straße ẞ ß"]),
        ("ǅ ﬁ ŉ", ["ǅ ﬁ ŉ"]),
        ("東京 🚚", ["東京 🚚"]),
    ],
)
def test_load_filters_ignore_case_in_any_script(client, field, stored, wanted):
    load = client.make_load(**{field: stored})["id"]
    client.make_load()
    for value in wanted:
        assert load in found(client, "/loads", {field: value}), value


@pytest.fixture
def loads_of(app, client):
    """Make loads with these creation times; return their ids."""

    def make(*times):
        ids = [client.make_load()["id"] for _ in times]
        with app.app_context():
            for id_, time in zip(ids, times, strict=True):
                db.session.execute(update(Load).where(Load.id == id_).values(created_at=time))
            db.session.commit()
        return ids

    return make


def test_a_creation_range_includes_its_start_and_excludes_its_end(client, loads_of):
    first, second, third = loads_of(*(f"{SECOND}.00000{n}Z" for n in (1, 2, 3)))
    for range_, expected in (
        ({"createdFrom": f"{SECOND}.000002Z"}, [third, second]),
        ({"createdTo": f"{SECOND}.000002Z"}, [first]),
        ({"createdFrom": "2026-01-02T04:04:05.000002+01:00"}, [third, second]),
        ({"createdTo": "2026-01-01T21:34:05.000003-05:30"}, [second, first]),
        ({"createdFrom": "2026-01-02t03:04:05.000002z"}, [third, second]),
        ({"createdFrom": f"{SECOND}.000002Z", "createdTo": f"{SECOND}.000003Z"}, [second]),
        ({"createdFrom": f"{SECOND}Z", "createdTo": f"{SECOND}.000001Z"}, []),
        ({"createdFrom": f"{SECOND}.000003Z", "status": "CANCELLED"}, []),
        (
            {"createdFrom": "0001-01-01T00:00:00Z", "createdTo": "9999-12-31T23:59:59.999999Z"},
            [third, second, first],
        ),
    ):
        assert found(client, "/loads", range_) == expected, range_


def test_lower_case_letters_of_a_time_mean_the_same(client):
    for time in ("2026-01-02t03:04:05z", "2026-01-02T03:04:05.5z", "2026-01-02t03:04:05-05:30"):
        assert client.get("/loads", query_string={"createdFrom": time}).status_code == 200, time


def test_adjacent_creation_ranges_neither_overlap_nor_leave_gaps(client, loads_of):
    loads = loads_of(*(f"2026-01-02T03:04:0{n // 2}.500000Z" for n in range(12)))
    moments = [f"2026-01-02T05:04:0{n}.5+02:00" for n in (0, 2, 3, 5, 6)]
    parts = [
        found(client, "/loads", {"createdFrom": start, "createdTo": end})
        for start, end in pairwise(moments)
    ]
    assert list(chain(*reversed(parts))) == loads[::-1]


@pytest.mark.parametrize(
    "end", [f"{SECOND}Z", "2026-01-02T03:04:04.999999Z", "2026-01-02T04:03:00+01:00"]
)
def test_a_creation_range_that_ends_before_it_starts_is_refused(client, end):
    range_ = {"createdFrom": f"{SECOND}Z", "createdTo": end}
    assert_invalid(client.get("/loads", query_string=range_), "createdTo")


def test_drivers_are_filtered_by_status_and_availability(client):
    free = client.make_driver("free")["id"]
    inactive = client.make_driver("inactive", status="INACTIVE")["id"]
    busy = client.make_driver("busy")
    client.assign(busy, client.make_load())
    busy = busy["id"]
    done = client.make_driver("done")
    for status in ("COMPLETED", "CANCELLED"):
        client.close(client.assign(done, client.make_load()), status)
    done = done["id"]
    leaving = client.make_driver("leaving")
    client.assign(leaving, client.make_load())
    leaving = leaving["id"]
    client.patch(f"/drivers/{leaving}", {"status": "INACTIVE"})
    for query, expected in (
        ("", [leaving, done, busy, inactive, free]),
        ("status=ACTIVE", [done, busy, free]),
        ("status=INACTIVE", [leaving, inactive]),
        ("status=INACTIVE&status=ACTIVE", [leaving, done, busy, inactive, free]),
        ("available=true", [done, free]),
        ("available=false", [leaving, busy, inactive]),
        ("available=false&limit=200", [leaving, busy, inactive]),
        ("available=false&status=ACTIVE", [busy]),
        ("available=false&status=INACTIVE", [leaving, inactive]),
        ("available=true&status=ACTIVE", [done, free]),
        ("available=true&status=INACTIVE", []),
    ):
        assert found(client, "/drivers", query) == expected, query

    client.patch(f"/drivers/{free}", {"status": "INACTIVE"})
    client.patch(f"/drivers/{inactive}", {"status": "ACTIVE"})
    assert found(client, "/drivers", "available=true") == [done, inactive]


@pytest.mark.parametrize("value", ["yes", "1", "True", "TRUE", "null", "", "true,false"])
def test_availability_other_than_true_or_false_is_refused(client, value):
    assert_invalid(client.get("/drivers", query_string={"available": value}), "available")


def test_assignments_are_filtered_by_driver_load_and_status(client):
    driver, other = client.make_driver(), client.make_driver("TX-2")
    load = client.make_load()
    first = client.assign(driver, load)["id"]
    client.close({"id": first}, "CANCELLED")
    second = client.assign(driver, load)["id"]
    client.close({"id": second}, "COMPLETED")
    third = client.assign(driver, client.make_load())["id"]
    fourth = client.assign(other, client.make_load())["id"]
    driver, other, load = driver["id"], other["id"], load["id"]
    for query, expected in (
        ({}, [fourth, third, second, first]),
        ({"driverId": driver}, [third, second, first]),
        ({"loadId": load}, [second, first]),
        ({"status": "ASSIGNED"}, [fourth, third]),
        ({"status": ["COMPLETED", "CANCELLED"]}, [second, first]),
        ({"status": ["COMPLETED", "COMPLETED"]}, [second]),
        ({"driverId": driver, "status": "ASSIGNED"}, [third]),
        ({"driverId": driver, "status": ["ASSIGNED", "CANCELLED"]}, [third, first]),
        ({"driverId": driver, "loadId": load, "status": "COMPLETED"}, [second]),
        ({"driverId": other, "loadId": load}, []),
        ({"driverId": 2**63 - 1}, []),
    ):
        assert found(client, "/assignments", query) == expected, query


@pytest.mark.parametrize(
    ("path", "good"),
    [("/loads", "OPEN"), ("/drivers", "ACTIVE"), ("/assignments", "ASSIGNED")],
)
def test_one_bad_status_among_good_ones_is_refused(client, path, good):
    for bad in ("BUSY", good.lower(), f" {good}", f"{good},{good}", "", "\x00"):
        answer = client.get(path, query_string={"status": [good, bad, good]})
        assert_invalid(answer, "status")


def test_the_timeline_shows_who_did_each_step(app, client):
    dana = client_with_token(app, "Dana Dispatcher", "dana@billor.example")
    load = client.make_load()
    dana.patch(f"/loads/{load['id']}", {"origin": "Austin, TX"})
    assignment = client.assign(dana.make_driver(), load)
    dana.close(assignment, "COMPLETED")
    somebody, dana = [{"id": 1, "name": "Somebody"}, {"id": 2, "name": "Dana Dispatcher"}]
    events = list(chain(*pages(client, f"/loads/{load['id']}/timeline?limit=1")))
    assert [(event["type"], event["user"]) for event in events] == [
        ("LOAD_CREATED", somebody),
        ("LOAD_UPDATED", dana),
        ("ASSIGNED", somebody),
        ("LOAD_COMPLETED", dana),
    ]


def test_an_event_of_a_command_has_no_user(app, client):
    client.make_load()  # its user must not leak into the command's event
    seeded = app.test_cli_runner().invoke(args=["seed", "--loads", "2"])
    assert seeded.exit_code == 0, seeded.output
    (event,) = client.get("/loads/2/timeline").json
    assert (event["type"], event["user"], event["requestId"]) == ("LOAD_CREATED", None, None)
