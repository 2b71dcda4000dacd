"""The filters of lists."""

import pytest
from sqlalchemy import update

from billor.models import Load, db
from tests.support.answers import assert_invalid
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
        ({"origin": "______, __"}, []),
    ):
        assert found(client, "/loads", query) == expected, query


@pytest.mark.parametrize("field", ["origin", "destination", "cargoType"])
def test_places_and_cargo_types_are_found_as_people_type_them(client, field):
    for stored, wanted in (
        ("Dallas, TX", ["dallas, tx", "DALLAS,  TX", "\u2003dAllAs,\u00a0Tx\n"]),
        ("ŁÓDŹ", ["łódź", "Łódź"]),
        ("Montre\u0301al", ["MONTR\u00c9AL", "Montreal"]),
        ("Straße ẞ ß", ["Straße ẞ ß"]),
        ("東京 🚚", ["東京 🚚"]),
    ):
        load = client.make_load(**{field: stored})["id"]
        for value in wanted:
            assert load in found(client, "/loads", {field: value}), value


def test_a_creation_range_includes_its_start_and_excludes_its_end(app, client):
    first, second, third = (client.make_load()["id"] for _ in range(3))
    with app.app_context():
        for id_ in (first, second, third):
            time = f"{SECOND}.00000{id_}Z"
            db.session.execute(update(Load).where(Load.id == id_).values(created_at=time))
        db.session.commit()
    for range_, expected in (
        ({"createdFrom": f"{SECOND}.000002Z"}, [third, second]),
        ({"createdTo": f"{SECOND}.000002Z"}, [first]),
        ({"createdFrom": "2026-01-02T04:04:05.000002+01:00"}, [third, second]),
        ({"createdFrom": "2026-01-02t03:04:05.000002z"}, [third, second]),
        ({"createdFrom": f"{SECOND}.000002Z", "createdTo": f"{SECOND}.000003Z"}, [second]),
        ({"createdFrom": f"{SECOND}.000003Z", "status": "CANCELLED"}, []),
        (
            {"createdFrom": "0001-01-01T00:00:00Z", "createdTo": "9999-12-31T23:59:59.999999Z"},
            [third, second, first],
        ),
    ):
        assert found(client, "/loads", range_) == expected, range_
    page = client.get("/loads", query_string={"createdTo": f"{SECOND}.000003Z", "limit": 1})
    following = client.get(page.headers["Link"].partition(">")[0].lstrip("<"))
    assert [page.json[0]["id"], following.json[0]["id"]] == [second, first]


def test_loads_are_sorted_and_filtered_by_pickup(client):
    days = {n: f"2026-03-0{n}T12:00:00Z" for n in range(1, 5)}
    second, first, third = (client.make_load(pickupAt=days[n])["id"] for n in (2, 1, 3))
    without = client.make_load()["id"]
    for query, expected in (
        ({"sort": "pickupAt"}, [first, second, third, without]),
        ({"sort": "pickupAt", "pickupFrom": days[2]}, [second, third]),
        ({"sort": "pickupAt", "pickupFrom": days[1], "pickupTo": days[3]}, [first, second]),
        ({"pickupFrom": days[1], "pickupTo": days[3]}, [first, second]),
        ({"pickupTo": days[2]}, [first]),
        ({"sort": "pickupAt", "status": "OPEN"}, [first, second, third, without]),
    ):
        assert found(client, "/loads", query) == expected, query
    page = client.get("/loads", query_string={"sort": "pickupAt", "limit": 3})
    following = client.get(page.headers["Link"].partition(">")[0].lstrip("<"))
    assert [load["id"] for load in page.json + following.json] == [first, second, third, without]


def test_a_range_that_ends_before_it_starts_is_refused(client):
    for name in ("created", "pickup"):
        for end in (f"{SECOND}Z", "2026-01-02T04:03:00+01:00"):
            range_ = {f"{name}From": f"{SECOND}Z", f"{name}To": end}
            assert_invalid(client.get("/loads", query_string=range_), f"{name}To")


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
        ("available=false&status=ACTIVE", [busy]),
        ("available=true&status=INACTIVE", []),
    ):
        assert found(client, "/drivers", query) == expected, query
    for value in ("yes", "1", "TRUE", "", "true,false"):
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
        ({"driverId": driver, "status": ["ASSIGNED", "CANCELLED"]}, [third, first]),
        ({"driverId": other, "loadId": load}, []),
        ({"driverId": 2**63 - 1}, []),
    ):
        assert found(client, "/assignments", query) == expected, query


@pytest.mark.parametrize(
    ("path", "good"),
    [("/loads", "OPEN"), ("/drivers", "ACTIVE"), ("/assignments", "ASSIGNED")],
)
def test_one_bad_status_among_good_ones_is_refused(client, path, good):
    for bad in ("BUSY", good.lower(), f"{good},{good}", ""):
        answer = client.get(path, query_string={"status": [good, bad, good]})
        assert_invalid(answer, "status")
