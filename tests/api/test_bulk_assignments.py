"""POST /assignments/bulk: what can be done is done, in order, and each row has its outcome."""

from billor.assignments.schemas import MAX_PAIRS
from tests.support.answers import assert_invalid, in_events


def assign_many(client, *pairs: tuple[int, int], **options):
    rows = [{"driverId": driver_id, "loadId": load_id} for driver_id, load_id in pairs]
    return client.post("/assignments/bulk", {"assignments": rows}, **options)


def outcomes(answer) -> list:
    """The id of each row's assignment, or its code and the assignment in the way."""
    assert answer.status_code == 200, answer.text
    rows = answer.json["rows"]
    assert [row["row"] for row in rows] == list(range(1, len(rows) + 1))
    assert answer.json["refused"] == sum("error" in row for row in rows)
    assert answer.json["assigned"] == len(rows) - answer.json["refused"]
    return [
        row["assignmentId"]
        if "error" not in row
        else (row["error"]["code"], row["error"].get("assignmentId"))
        for row in rows
    ]


def make(client, drivers: int, loads: int) -> None:
    """Make drivers and loads, each numbered from 1."""
    for number in range(1, drivers + 1):
        client.make_driver(f"TX-{number}")
    for _ in range(loads):
        client.make_load()


def test_all_rows_are_assigned_with_an_event_each(client):
    make(client, 3, 3)
    assert outcomes(assign_many(client, (3, 1), (1, 3), (2, 2))) == [1, 2, 3]
    for assignment_id, driver_id, load_id in ((1, 3, 1), (2, 1, 3), (3, 2, 2)):
        shown = client.get(f"/assignments/{assignment_id}").json
        load = client.get(f"/loads/{load_id}").json
        assert (shown["driverId"], shown["loadId"]) == (driver_id, load_id)
        assert (shown["status"], shown["load"], load["status"]) == ("ASSIGNED", load, "ASSIGNED")
        *_, event = client.get(f"/loads/{load_id}/timeline").json
        payload = event["payload"]
        named = event["type"], event["assignmentId"], event["driverId"]
        assert named == ("ASSIGNED", assignment_id, driver_id)
        assert (payload["load"], payload["driver"]) == (load, in_events(shown["driver"]))
        assert event["user"] == {"id": 1, "name": "Demo Dispatcher"}


def test_each_refused_row_has_the_code_that_it_would_have_alone(client):
    make(client, 5, 5)
    client.assign({"id": 1}, {"id": 1})
    client.patch("/drivers/2", {"status": "INACTIVE", "licenseExpiresOn": "2020-01-31"})
    client.patch("/drivers/4", {"medicalExpiresOn": "2020-01-31"})
    client.patch("/loads/2", {"status": "CANCELLED"})
    pairs = [
        *((99, 99), (99, 1), (3, 99), (1, 1), (1, 2), (3, 1), (2, 1)),
        *((3, 2), (2, 2), (2, 3), (4, 2), (4, 3)),
    ]
    members = ("code", "detail", "assignmentId", "paper", "expiredOn")
    alone = []
    for driver_id, load_id in pairs:
        body = {"driverId": driver_id, "loadId": load_id}
        problem = client.post("/assignments", body).json
        alone.append([problem.get(name) for name in members])
    answer = assign_many(client, *pairs, (3, 3))
    together = [row["error"] for row in answer.json["rows"][:-1]]
    assert [[error.get(name) for name in members] for error in together] == alone
    assert alone[-1][2:] == [None, "medical", "2020-01-31"]
    assert outcomes(answer)[-1] == 2, "the row that can be done is done"


def test_rows_are_decided_in_order(client):
    make(client, 3, 3)
    client.patch("/drivers/3", {"status": "INACTIVE"})
    answer = assign_many(client, (3, 1), (1, 1), (1, 2), (2, 1), (1, 1), (2, 2), (9, 9))
    assert outcomes(answer) == [
        ("driver_inactive", None),
        1,
        ("driver_already_assigned", 1),
        ("load_already_assigned", 1),
        ("driver_already_assigned", 1),
        2,
        ("driver_not_found", None),
    ]


def test_a_large_request_takes_few_statements(client, statements):
    make(client, 20, 20)
    pairs = [(1 + n % 20, 1 + n % 20) for n in range(MAX_PAIRS)]
    with statements:
        rows = outcomes(assign_many(client, *pairs[:20]))
    assert rows == [*range(1, 21)]
    # An UPDATE for each load; all others are for all rows.
    assert len(statements.sent) < 20 + 10, statements.sent
    assert len(outcomes(assign_many(client, *pairs))) == MAX_PAIRS
    assert_invalid(assign_many(client, *pairs, (1, 1)), "assignments")
