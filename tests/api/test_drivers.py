"""Drivers over HTTP: their life cycle, and their license numbers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.answers import assert_problem
from tests.support.apps import client_with_token
from tests.support.rival import rival


@pytest.fixture
def client(app):
    return client_with_token(app)


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
    assert client.get(address).json == driver
    assert client.get("/drivers").json == [driver]

    for changes in (
        {"name": "Alexandra Carter"},
        {"licenseNumber": "TX-2", "status": "INACTIVE"},
        {"status": "ACTIVE"},
        {"licenseNumber": "TX-2"},
        {},
    ):
        answer = client.patch(address, changes)
        driver |= changes
        assert (answer.status_code, answer.json) == (200, driver)
        assert client.get(address).json == driver


def test_a_driver_may_start_inactive(client):
    assert client.make_driver(status="INACTIVE")["status"] == "INACTIVE"


def test_unknown_drivers_are_404(client):
    assert_problem(client.get("/drivers/1"), 404, "driver_not_found")
    assert_problem(client.patch("/drivers/1", {"name": "Nobody"}), 404, "driver_not_found")


def test_a_license_belongs_to_one_driver(client):
    client.make_driver("TX-1")
    other = client.make_driver("TX-2")
    taken = {"licenseNumber": " TX-1 "}
    refused = client.post("/drivers", taken | {"name": "Another"})
    assert_problem(refused, 409, "license_number_taken")
    refused = client.patch(f"/drivers/{other['id']}", taken | {"name": "Changed"})
    assert_problem(refused, 409, "license_number_taken")
    assert client.get("/drivers").json[0] == other


@pytest.mark.parametrize("status", ["active", "BUSY", "", None, 1])
def test_a_driver_is_active_or_inactive(client, status):
    driver = client.make_driver()
    body = {"name": "Another", "licenseNumber": "TX-2", "status": status}
    for answer in (
        client.post("/drivers", body),
        client.patch(f"/drivers/{driver['id']}", {"status": status}),
    ):
        problem = assert_problem(answer, 422, "validation_failed")
        assert list(problem["errors"]) == ["status"]


def test_a_driver_made_inactive_can_complete_the_active_load(client):
    driver = client.make_driver()
    assignment = client.assign(driver, client.make_load())
    assert client.patch(f"/drivers/{driver['id']}", {"status": "INACTIVE"}).status_code == 200
    assert client.close(assignment, "COMPLETED")["driver"]["status"] == "INACTIVE"


SAME_NUMBER = [
    *("ZZ-1", "zz-1", "ZZ 1", "ZZ1", "zz.1", "ZZ/1", " ZZ_1 ", "Z.Z.-1", "ZZ\u00a01", "ZZ\u20131"),
    *(
        "ZZ\u20101",
        "\uff3a\uff3a\uff0d\uff11",
        "Z\u200a\u200aZ1",
        "zz\u2460",
        "(ZZ)\u00b71",
        "ZZ\u02bc1",
    ),
    *("\u0396\u0396-1", "ZZ-1 \U0001f69a", "ZZ\u203f1", "ZZ\u05be1", "ZZ\u30fb1"),
]


@pytest.mark.parametrize("number", SAME_NUMBER, ids=map(ascii, SAME_NUMBER))
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


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("É-1", "é1"),
        ("ТХ-1", "TX-1"),
        ("АВ 12", "ab12"),
        ("京A1", "京a-1"),
        ("Ⅳ-1", "iv1"),
        ("٣", "٣-"),
    ],
)
def test_letters_of_any_script_count_in_a_license_number(client, one, another):
    holder = client.make_driver(one)
    assert holder["licenseNumber"] == one
    refused = client.post("/drivers", {"name": "Another", "licenseNumber": another})
    assert assert_problem(refused, 409, "license_number_taken")["driverId"] == holder["id"]


def test_different_license_numbers_are_of_different_drivers(client):
    numbers = ["ZZ-1", "ZZ-2", "ZZ-11", "Z-1", "É-1", "E-1", "京A1", "沪A1", "Ж-1", "٣", "٤"]
    for number in numbers:
        client.make_driver(number)
    assert [driver["licenseNumber"] for driver in client.get("/drivers").json] == numbers[::-1]
    for number in numbers:
        (found,) = client.get("/drivers", query_string={"licenseNumber": number}).json
        assert found["licenseNumber"] == number


def test_a_driver_keeps_the_own_license_number_in_another_form(client):
    driver = client.make_driver("ZZ-1")
    answer = client.patch(f"/drivers/{driver['id']}", {"licenseNumber": "zz 1"})
    assert (answer.status_code, answer.json["licenseNumber"]) == (200, "zz 1")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("ZZ-1\u200b", "Must not contain U+200B ZERO WIDTH SPACE, an invisible format character."),
        ("T\u0425-1", "Must not mix letters of Cyrillic and Latin: they look alike."),
        ("--", "Must have a letter or a digit."),
    ],
)
def test_a_license_number_that_looks_like_another_is_refused(client, number, message):
    driver = client.make_driver("ZZ-1")
    body = {"name": "Another", "licenseNumber": number}
    for refused in (client.post("/drivers", body), client.patch(f"/drivers/{driver['id']}", body)):
        problem = assert_problem(refused, 422, "validation_failed")
        assert problem["errors"] == {"licenseNumber": [message]}
    assert client.get("/drivers").json == [driver]


def test_a_change_that_lost_a_race_names_the_driver_who_won(app, client):
    client.make_driver("TX-1")
    with rival(app) as other, ThreadPoolExecutor(1) as threads:
        other.execute(
            "INSERT INTO drivers (name, license_number, status) VALUES ('Sam', 'ZZ-1', 'ACTIVE')"
        )
        change = threads.submit(client.patch, "/drivers/1", {"licenseNumber": "zz 1"})
        other.wait_until_waited_for()
        other.insist()
        problem = assert_problem(change.result(30), 409, "license_number_taken")
    assert problem["driverId"] == 2
    assert client.get("/drivers/1").json["licenseNumber"] == "TX-1"
