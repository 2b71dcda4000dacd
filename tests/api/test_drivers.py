"""Drivers over HTTP: their life, their refusals, and their license numbers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.answers import assert_problem
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS


def test_a_driver_is_created_shown_listed_and_changed(client):
    answer = client.post("/drivers", {"name": "Alex Carter", "licenseNumber": "TX-1"})
    driver = answer.json
    assert answer.status_code == 201
    assert driver == {
        "id": driver["id"],
        "name": "Alex Carter",
        "licenseNumber": "TX-1",
        "status": "ACTIVE",
        "createdAt": driver["createdAt"],
    }
    address = f"/drivers/{driver['id']}"
    assert answer.headers["Location"] == address
    for changes in (
        {},
        {"name": "Alexandra Carter"},
        {"licenseNumber": "TX-2", "status": "INACTIVE"},
        {"licenseNumber": "tx 2"},
        {"status": "ACTIVE"},
    ):
        answer = client.patch(address, changes)
        driver |= changes
        assert (answer.status_code, answer.json) == (200, driver)
        assert client.get(address).json == driver
        assert client.get("/drivers").json == [driver]


def test_a_driver_made_inactive_can_complete_the_active_load(client):
    driver = client.make_driver()
    assignment = client.assign(driver, client.make_load())
    assert client.patch(f"/drivers/{driver['id']}", {"status": "INACTIVE"}).status_code == 200
    assert client.close(assignment, "COMPLETED")["driver"]["status"] == "INACTIVE"


@pytest.mark.parametrize(("field", "value"), [("status", "active"), ("licenseNumber", "--")])
def test_a_bad_field_is_named(client, field, value):
    driver = client.make_driver()
    body = {"name": "Another", "licenseNumber": "TX-2", field: value}
    for answer in (
        client.post("/drivers", body),
        client.patch(f"/drivers/{driver['id']}", {field: value}),
    ):
        assert list(assert_problem(answer, 422, "validation_failed")["errors"]) == [field]
    assert client.get("/drivers").json == [driver]


@pytest.mark.parametrize(
    "number",
    [
        *("ZZ-1", "zz 1", " Z.Z/1 ", "#ZZ\u00a01", "\uff3a\uff3a\uff0d\uff11", "zz\u2460"),
        *(
            f"ZZ{sign}1"
            for sign in "`\u00b4\u2018\u2019\u02bc\u2011\u2013\u2014\u2212\u2e3a\u30fb\u05be"
        ),
    ],
    ids=ascii,
)
def test_a_license_number_in_another_form_is_the_same(client, number):
    holder = client.make_driver("ZZ-1")
    other = client.make_driver("TX-2")
    body = {"name": "Another", "licenseNumber": number}
    for refused in (
        client.post("/drivers", body),
        client.patch(f"/drivers/{other['id']}", body),
    ):
        problem = assert_problem(refused, 409, "license_number_taken")
        assert problem["driverId"] == holder["id"]
        assert f"Driver {holder['id']} has this license number" in problem["detail"]
    assert client.get("/drivers", query_string={"licenseNumber": number}).json == [holder]
    assert client.get("/drivers").json == [other, holder]


def test_different_license_numbers_are_of_different_drivers(client):
    numbers = ["ZZ-1", "ZZ-2", "ZZ-11", "Z-1", "É-1", "E-1", "京A1", "沪A1", "Ж-1", "٣", "٤"]
    for number in numbers:
        client.make_driver(number)
    assert [driver["licenseNumber"] for driver in client.get("/drivers").json] == numbers[::-1]
    for number in numbers:
        (found,) = client.get("/drivers", query_string={"licenseNumber": number}).json
        assert found["licenseNumber"] == number


def test_a_change_that_lost_a_race_names_the_driver_who_won(app, client):
    client.make_driver("TX-1")
    with rival(app) as other, ThreadPoolExecutor(1) as threads:
        other.execute(
            "INSERT INTO drivers (name, license_number, status) VALUES ('Sam', 'ZZ-1', 'ACTIVE')"
        )
        change = threads.submit(client.patch, "/drivers/1", {"licenseNumber": "zz 1"})
        other.wait_until_waited_for()
        other.insist()
        problem = assert_problem(change.result(WAIT_SECONDS), 409, "license_number_taken")
    assert problem["driverId"] == 2
    assert client.get("/drivers/1").json["licenseNumber"] == "TX-1"
