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
    free, inactive, busy, done, leaving = range(1, 6)
    for number in range(1, 6):
        client.make_driver(f"TX-{number}")
    for id_ in (busy, leaving):
        client.assign({"id": id_}, client.make_load())
    for status in ("COMPLETED", "CANCELLED"):
        client.close(client.assign({"id": done}, client.make_load()), status)
    for id_ in (inactive, leaving):
        client.patch(f"/drivers/{id_}", {"status": "INACTIVE"})
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
    driver, other = (client.make_driver(f"TX-{number}")["id"] for number in (1, 2))
    load = client.make_load()["id"]
    for status in ("CANCELLED", "COMPLETED"):
        client.close(client.assign({"id": driver}, {"id": load}), status)
    for id_ in (driver, other):
        client.assign({"id": id_}, client.make_load())
    first, second, third, fourth = range(1, 5)
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
