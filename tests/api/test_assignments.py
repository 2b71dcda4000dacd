"""Assignments over HTTP: their life cycle, and every refusal."""

import pytest

from tests.support.answers import assert_invalid, assert_problem


@pytest.mark.parametrize(
    ("status", "other"), [("COMPLETED", "CANCELLED"), ("CANCELLED", "COMPLETED")]
)
def test_a_status_that_an_assignment_has_can_be_set_again(client, status, other):
    """The answer of the first request may be lost."""
    load = client.make_load()
    assignment = client.assign(client.make_driver(), load)
    path = f"/assignments/{assignment['id']}/status"
    first = client.patch(path, {"status": status})
    events = client.get(f"/loads/{load['id']}/timeline").json
    for _ in range(2):
        again = client.patch(path, {"status": status})
        assert (again.status_code, again.data) == (200, first.data)
        assert again.headers["ETag"] == first.headers["ETag"]
    assert_problem(client.patch(path, {"status": other}), 409, "assignment_not_active")
    assert_invalid(client.patch(path, {"status": "PLANNED"}), "status")
    assert client.get(f"/loads/{load['id']}/timeline").json == events
    assert client.get(f"/assignments/{assignment['id']}").data == first.data


def test_an_assignment_takes_five_statements(client, statements):
    driver, load = client.make_driver(), client.make_load()
    with statements:
        client.assign(driver, load)
    assert len(statements.sent) == 5, statements.sent
