"""`GET /events`: all events, oldest first, which readers poll."""

import json

from billor.changes import events
from billor.events.event import to_message
from billor.models import LoadEvent, db
from tests.support.answers import assert_invalid, next_page
from tests.support.databases import run_sql
from tests.support.rival import rival

ADD = (
    "INSERT INTO load_events (id, type, load_id, payload)"
    " VALUES (gen_random_uuid(), 'load.updated', :load, '{}')"
)


def read(client, address="/events?limit=2"):
    """The types of all events after an address, and the address of the end."""
    found = []
    while (answer := client.get(address)).status_code == 200:
        found += [(event["type"], event["loadId"]) for event in answer.json]
        if (following := next_page(answer).removeprefix("http://localhost")) == address:
            return found, address
        address = following
    raise AssertionError(answer.text)


def test_a_reader_gets_each_event_once_as_on_the_bus_and_goes_on_where_it_was(app, client):
    found, end = read(client)
    assert (found, end) == ([], "/events?limit=2")
    _, now = read(client, "/events?after=latest")
    assert "after" not in now, "what comes first would be skipped"
    driver, load = client.make_driver(), client.make_load()
    client.post("/users", {"name": "D", "email": "d@b.example", "password": "a-good-password"})
    assignment = client.assign(driver, load)
    everything = [("driver.created", None), ("load.created", 1), ("load.assigned", 1)]
    found, end = read(client)
    assert found == everything == read(client, now)[0]
    assert read(client, end) == ([], end)
    _, latest = read(client, "/events?limit=2&after=latest")
    assert latest == end
    client.close(assignment, "COMPLETED")
    assert read(client, end)[0] == read(client, latest)[0] == [("load.completed", 1)]
    with app.app_context():
        rows = db.session.query(LoadEvent).order_by(LoadEvent.created_at)
        on_the_bus = [json.loads(to_message(row).data) for row in rows]
    assert client.get("/events").json == [e for e in on_the_bus if "userId" not in e]


def test_a_page_of_some_types_looks_at_so_many_events_and_goes_on(client, monkeypatch):
    monkeypatch.setattr(events, "MAX_SCANNED", 3)
    for _ in range(4):
        client.make_load()
    client.make_driver()
    address = "/events?type=driver.created&type=driver.updated"
    first = client.get(address)
    assert first.json == []
    assert read(client, address)[0] == [("driver.created", None)]
    assert read(client, "/events?type=load.created&limit=1")[0] == [
        ("load.created", number) for number in (1, 2, 3, 4)
    ]
    assert_invalid(client.get("/events?type=user.created"), "type")
    assert_invalid(client.get("/events?after=first"), "after")


def test_an_event_that_is_written_late_comes_late_and_its_transaction_holds_back_others(
    app, client
):
    """But not what follows from it: that has to wait for it."""
    with rival(app) as late:
        late.execute("SELECT FROM loads")  # as pg_dump does
        client.make_load()
        assert read(client)[0] == [("load.created", 1)]
        late.execute("SELECT pg_current_xact_id()")
        client.make_load()
        found, end = read(client)
        assert found == [("load.created", 1)]
        late.execute(ADD, load=1)
        client.make_load()
        assert read(client, end) == ([], end)
        late.insist()
    assert read(client, end)[0] == [("load.created", 2), ("load.updated", 1), ("load.created", 3)]


def test_a_reader_goes_on_after_a_restore(app, client):
    for _ in range(3):
        client.make_load()
    second = client.get("/events").json[1]["id"]
    # As after a restore to a cluster whose transaction ids are lower.
    run_sql(app, "UPDATE load_events SET feed_position = 1000000000")
    client.make_load()
    assert read(client, f"/events?after={second}")[0] == []
    restore = "UPDATE load_events SET feed_position = 0 WHERE feed_position = 1000000000"
    run_sql(app, restore)
    expected = [("load.created", 3), ("load.created", 4)]
    assert read(client, f"/events?after={second}")[0] == expected
