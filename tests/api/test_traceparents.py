"""The trace of a request goes on with its events, whether or not spans are exported."""

import pytest
from sqlalchemy import select, update

from billor.events.event import to_message
from billor.extensions import db
from billor.models import LoadEvent
from billor.worker.received import read
from billor.worker.relay import Relay
from tests.support.bus import FakeBus, FakeDelivery

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def events(app):
    """The `traceparent` of each event, by its type."""

    def read_all() -> dict[str, str | None]:
        with app.app_context():
            return {
                event.type: event.traceparent for event in db.session.scalars(select(LoadEvent))
            }

    return read_all


def test_every_event_keeps_the_traceparent_of_its_request(client, events):
    headers = {"traceparent": TRACEPARENT}
    driver = {"name": "Alex Carter", "licenseNumber": "TX-1"}
    load = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
    user = {"name": "Sam", "email": "sam@billor.example"}
    pair = {"driverId": 1, "loadId": 1}
    for path, body in {"drivers": driver, "loads": load, "users": user}.items():
        assert client.post(f"/{path}", body, headers=headers).status_code == 201
    bulk = client.post("/assignments/bulk", {"assignments": [pair]}, headers=headers)
    assert bulk.json["assigned"] == 1
    assert events() == dict.fromkeys(
        ("driver.created", "load.created", "user.created", "load.assigned"), TRACEPARENT
    )


@pytest.mark.parametrize("headers", [{}, {"traceparent": TRACEPARENT.upper()}])
def test_a_request_without_a_valid_traceparent_has_none(client, events, headers):
    client.make_load()
    assert client.patch("/loads/1", {"cargoType": "Flatbed"}, headers=headers).status_code == 200
    assert set(events().values()) == {None}


def test_a_traceparent_does_not_outlast_its_request(client, events):
    changes = {"cargoType": "Flatbed"}, {"cargoType": "Reefer"}
    client.make_load()
    client.get("/loads/1", headers={"traceparent": TRACEPARENT})
    client.patch("/loads/1", changes[0])
    assert set(events().values()) == {None}


def test_a_message_that_is_published_again_is_the_same(app, client):
    load = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}
    client.post("/loads", load, headers={"traceparent": TRACEPARENT})
    bus = FakeBus()
    with app.app_context():
        for _ in range(2):
            assert Relay(bus).publish_batch() == 1
            db.session.execute(update(LoadEvent).values(published_at=None))
            db.session.commit()
        event = db.session.scalars(select(LoadEvent)).one()
        first, second = bus.messages
        assert first == second == to_message(event)
    assert first.attributes["traceparent"] == TRACEPARENT
    assert read(FakeDelivery(first)).traceparent == TRACEPARENT
