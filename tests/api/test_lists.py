"""The filters of lists."""

from tests.support.answers import assert_invalid

SECOND = "2026-01-02T03:04:05"


def found(client, path, query):
    """The ids in a list."""
    answer = client.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json]


def test_a_range_that_ends_before_it_starts_is_refused(client):
    for path, since, until in (
        ("/loads", "createdFrom", "createdTo"),
        ("/loads", "pickupFrom", "pickupTo"),
        ("/audit", "from", "to"),
    ):
        for end in (f"{SECOND}Z", "2026-01-02T04:03:00+01:00"):
            assert_invalid(client.get(path, query_string={since: f"{SECOND}Z", until: end}), until)


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
        ("available=true", [done, free]),
        ("available=false", [leaving, busy, inactive]),
        ("available=false&status=ACTIVE", [busy]),
    ):
        assert found(client, "/drivers", query) == expected, query


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
        ({"status": ["COMPLETED", "CANCELLED"]}, [second, first]),
        ({"driverId": driver, "status": ["ASSIGNED", "CANCELLED"]}, [third, first]),
        ({"driverId": other, "loadId": load}, []),
        ({"driverId": 2**63 - 1}, []),
    ):
        assert found(client, "/assignments", query) == expected, query
