"""When a load is picked up and must be delivered."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billor.extensions import db
from tests.support.answers import assert_invalid
from tests.support.apps import client_with_token
from tests.support.rival import rival

EARLY, LATE = "2026-03-01T08:00:00.000000Z", "2026-03-02T08:00:00.000000Z"
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}


@pytest.fixture
def client(app):
    return client_with_token(app)


def payload(client, load):
    return client.get(f"/loads/{load['id']}/timeline").json[-1]["payload"]


def test_a_load_has_a_pickup_and_a_delivery_time_or_none(client):
    load = client.make_load(pickupAt="2026-03-01T02:00:00-06:00", deliverBy=LATE)
    assert (load["pickupAt"], load["deliverBy"]) == (EARLY, LATE)
    assert client.get("/loads").json == [load]
    assert payload(client, load)["load"] == load
    for fields in ({}, {"pickupAt": None, "deliverBy": None}):
        without = client.make_load(**fields)
        assert (without["pickupAt"], without["deliverBy"]) == (None, None)
    for fields in ({"pickupAt": LATE}, {"deliverBy": EARLY}, {"pickupAt": LATE, "deliverBy": LATE}):
        assert fields.items() <= client.make_load(**fields).items()


def test_changed_times_are_in_the_event_as_they_were_before(client):
    load = client.make_load(pickupAt=EARLY, deliverBy=LATE)
    changed = client.patch(f"/loads/{load['id']}", {"pickupAt": LATE, "origin": LOAD["origin"]})
    assert changed.json["pickupAt"] == LATE
    assert payload(client, load)["before"] == {"pickupAt": EARLY}
    client.patch(f"/loads/{load['id']}", {"deliverBy": None})
    assert payload(client, load)["before"] == {"deliverBy": LATE}


@pytest.mark.parametrize("field", ["pickupAt", "deliverBy"])
@pytest.mark.parametrize("value", ["", "tomorrow", "2026-03-01", "2026-03-01T08:00:00", 1, True])
def test_a_time_is_one_of_rfc_3339_with_an_offset(client, field, value):
    assert_invalid(client.post("/loads", LOAD | {field: value}), field)
    load = client.make_load()
    assert_invalid(client.patch(f"/loads/{load['id']}", {field: value}), field)


def test_a_delivery_before_the_pickup_is_refused_by_its_name(client):
    answer = client.post("/loads", LOAD | {"pickupAt": LATE, "deliverBy": EARLY})
    assert answer.json["errors"] == {"deliverBy": ["Must not be before `pickupAt`."]}
    load = client.make_load(pickupAt=EARLY, deliverBy=EARLY)
    for changes in (
        {"pickupAt": LATE},
        {"deliverBy": "2026-03-01T07:59:59.999999Z"},
        {"pickupAt": LATE, "deliverBy": EARLY},
        {"pickupAt": LATE, "status": "CANCELLED"},
    ):
        answer = client.patch(f"/loads/{load['id']}", changes)
        assert answer.status_code == 422
        assert answer.json["errors"] == {"deliverBy": ["Must not be before `pickupAt`."]}
    assert client.get(f"/loads/{load['id']}").json == load
    for changes in (
        {"pickupAt": LATE, "deliverBy": LATE},
        {"deliverBy": None, "pickupAt": LATE},
        {"pickupAt": None, "deliverBy": EARLY},
    ):
        assert client.patch(f"/loads/{load['id']}", changes).status_code == 200


def test_the_database_refuses_a_delivery_before_the_pickup(app, client):
    client.make_load(pickupAt=EARLY, deliverBy=LATE)
    with app.app_context(), pytest.raises(IntegrityError, match="ck_loads_deliver_by"):
        db.session.execute(text("UPDATE loads SET deliver_by = pickup_at - interval '1 second'"))


def test_two_changes_at_once_cannot_put_the_delivery_before_the_pickup(app, client):
    client.make_load(pickupAt=EARLY, deliverBy=LATE)
    with rival(app) as other, ThreadPoolExecutor(1) as pool:
        other.execute("UPDATE loads SET deliver_by = pickup_at")
        change = pool.submit(client.patch, "/loads/1", {"pickupAt": LATE})
        other.wait_until_waited_for()
        other.insist()
        assert_invalid(change.result(), "deliverBy")
