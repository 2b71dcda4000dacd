"""Promise 7: Idempotency-Key under concurrency and crashes: twins in flight, and processes
killed between commit and answer."""

from functools import partial

import pytest
from sqlalchemy import func, select

from billor.models import IdempotencyKey, LoadEvent, db
from tests.support.holds import Hold
from tests.support.http import HttpClient, Reply
from tests.support.races import at_once, lose_answer
from tests.support.system import LOAD, System

TWINS = 20
REPLAYED = "Idempotency-Replayed"


def post(client: HttpClient, path: str, body: dict, key: str) -> Reply:
    return client.post(path, body, **{"Idempotency-Key": key})


def counts(system: System, key: str, load_id: int | None = None) -> tuple[int, int]:
    """How many keys of this name there are, and events of the load."""
    keys = select(func.count()).where(IdempotencyKey.key == key)
    events = select(func.count()).where(LoadEvent.load_id == load_id)
    with system.app.app_context():
        return db.session.scalar(keys), db.session.scalar(events)


def assert_done_once(replies: list[Reply]) -> dict:
    """Check that one did it and the others replayed its answer."""
    assert {reply.status for reply in replies} == {201}
    assert len({(str(reply.body), reply.headers["Location"]) for reply in replies}) == 1
    assert [reply.headers[REPLAYED] for reply in replies].count(None) == 1
    return replies[0].body


@pytest.mark.parametrize(("path", "events"), [("/loads", 1), ("/assignments", 2)])
def test_one_of_twenty_twins_creates_and_the_others_replay(shared_system, api, ids, path, events):
    body = LOAD | {"origin": "Twin Falls, ID"} if path == "/loads" else ids
    key = f"twenty {path}"
    replies = at_once(api, [partial(post, api.client, path, body, f'"{key}"')] * TWINS)
    created = assert_done_once(replies)

    listed = api.client.get(f"{path}?limit=200").body
    same = [thing for thing in listed if all(thing[name] == body[name] for name in body)]
    assert [thing["id"] for thing in same] == [created["id"]]
    load_id = created["id"] if path == "/loads" else body["loadId"]
    assert counts(shared_system, key, load_id) == (1, events)


@pytest.fixture
def ids(api) -> dict[str, int]:
    """Ids of a free driver and an open load."""
    load = api.client.make_load()
    return {
        "driverId": api.client.make_driver(f"FREE-{load['id']}")["id"],
        "loadId": load["id"],
    }


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_retry_after_a_killed_process_assigns_once(system_without_bus, is_done):
    """It is killed before or after the commit."""
    inserts = ("INSERT INTO idempotency_keys", "INSERT INTO driver_load_assignments")
    hold = Hold(system_without_bus.folder, "holding", *inserts, is_done=is_done)
    api = system_without_bus.start_api(1, app="holding:app")
    client = api.client
    load_id = client.make_load()["id"]
    body = {"driverId": client.make_driver("NEW-1")["id"], "loadId": load_id}
    shown = client.get("/assignments?expand=driver,load").body
    send = partial(post, client, "/assignments", body, "once")

    lose_answer(api, client, hold, send)
    assert counts(system_without_bus, "once", load_id) == ((1, 2) if is_done else (0, 1))
    assert (client.get("/assignments?expand=driver,load").body == shown) is not is_done

    again = send()
    assert again.status == 201
    assert again.headers[REPLAYED] == ("true" if is_done else None)
    (active,) = client.get("/assignments?status=ASSIGNED").body
    assert active["loadId"] == load_id
    assert counts(system_without_bus, "once", load_id) == (1, 2)
