"""`expand`: a list's items with what belongs to them, in one statement and of one moment."""

import pytest

from tests.support.answers import in_lists, pages


@pytest.fixture
def world(client) -> dict:
    """Driver 1 has load 1 and drove load 2 before; driver 2 and load 3 are free."""
    drivers = [client.make_driver(f"TX-{number}") for number in (1, 2)]
    first, second, _ = (client.make_load()["id"] for _ in range(3))
    client.close(client.assign(drivers[0], {"id": second}), "COMPLETED")
    active = client.assign(drivers[0], {"id": first})
    return {
        "drivers": drivers,
        "active": active,
        "load": in_lists(client.get(f"/loads/{first}").json),
    }


@pytest.mark.usefixtures("world")
def test_assignments_have_just_what_was_asked_for(client):
    whole = client.get("/assignments/2").json
    whole["load"] = in_lists(whole["load"])
    for query, names in (
        ("", set()),
        ("?expand=driver", {"driver"}),
        ("?expand=driver,load", {"driver", "load"}),
        ("?expand=load,load&expand=load&status=ASSIGNED", {"load"}),
    ):
        item, *_ = client.get(f"/assignments{query}").json
        absent = {"driver", "load", "next"} - names
        assert item == {name: value for name, value in whole.items() if name not in absent}


def test_loads_have_their_assignment_with_its_driver_unless_it_was_cancelled(client, world):
    client.close(client.assign(world["drivers"][1], {"id": 3}), "CANCELLED")
    free, completed, active = client.get("/loads?expand=assignment").json
    assert free["assignment"] is None
    assert completed["assignment"]["status"] == "COMPLETED"
    assert completed["assignment"]["driver"] == world["drivers"][0]
    shown = world["active"] | {"driver": world["drivers"][0]}
    assert active == world["load"] | {"assignment": shown}


def test_drivers_have_their_current_assignments_with_their_loads(client, world):
    free, busy = client.get("/drivers?expand=assignment").json
    assert free == world["drivers"][1] | {"assignment": None, "planned": None}
    active = world["active"] | {"load": world["load"]}
    assert busy == world["drivers"][0] | {"assignment": active, "planned": None}


@pytest.mark.parametrize(
    "address",
    [
        "/assignments?expand=driver,load",
        "/loads?expand=assignment&status=OPEN&status=ASSIGNED&status=COMPLETED",
        "/drivers?expand=assignment",
    ],
)
def test_an_expanded_list_takes_one_statement_however_long(client, world, statements, address):
    for number in range(3, 13):
        client.assign(client.make_driver(f"TX-{number}"), client.make_load())
    with statements:
        whole = client.get(address).json
    assert len(whole) > 10
    # The token's user may be looked up, too.
    of_list = [statement for statement in statements.sent if "FROM users" not in statement]
    assert len(of_list) == 1, statements.sent
    assert [item for page in pages(client, f"{address}&limit=2") for item in page] == whole
