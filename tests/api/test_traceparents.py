"""The trace of a request goes on with its events."""

import pytest
from sqlalchemy import select

from billor.events.event import to_message
from billor.models import LoadEvent, db
from billor.observe.context import read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def events(app):
    """The `traceparent` of each event, by its type, as its message has it."""

    def read_all() -> dict[str, str | None]:
        with app.app_context():
            events = db.session.scalars(select(LoadEvent)).all()
            return {each.type: to_message(each).attributes.get("traceparent") for each in events}

    return read_all


def test_every_event_keeps_the_traceparent_of_its_request(client, events):
    headers = {"traceparent": TRACEPARENT}
    client.make_driver()
    for path, body in {
        "loads": {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"},
        "users": {"name": "Sam", "email": "sam@billor.example"},
    }.items():
        assert client.post(f"/{path}", body, headers=headers).status_code == 201
    pair = {"driverId": 1, "loadId": 1}
    bulk = client.post("/assignments/bulk", {"assignments": [pair]}, headers=headers)
    assert bulk.json["assigned"] == 1
    of_request = dict.fromkeys(("load.created", "user.created", "load.assigned"), TRACEPARENT)
    assert events() == of_request | {"driver.created": None}


@pytest.mark.parametrize(
    "given", [None, "", "nonsense", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"]
)
def test_an_invalid_traceparent_is_ignored(given):
    assert read_traceparent(given) is None
    assert read_traceparent(TRACEPARENT) == TRACEPARENT
