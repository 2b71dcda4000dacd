"""Drivers over HTTP: their life cycle, and their license numbers."""

import pytest

from tests.support.answers import assert_problem
from tests.support.apps import client_with_token


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
