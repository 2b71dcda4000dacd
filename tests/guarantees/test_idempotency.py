"""Promise 7: Idempotency-Key under concurrency and crashes: twins in flight, and processes
killed between commit and answer."""

from functools import partial

import pytest
from sqlalchemy import func, select

from billor.models import IdempotencyKey, LoadEvent, db
from tests.support.holds import Hold
from tests.support.http import HttpClient, Reply
from tests.support.races import at_once, lose_answer
from tests.support.system import System

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


def test_one_of_twenty_twins_assigns_and_the_others_replay(shared_system, api):
    load_id = api.client.make_load()["id"]
    body = {"driverId": api.client.make_driver("FREE-1")["id"], "loadId": load_id}
    replies = at_once(api, [partial(post, api.client, "/assignments", body, '"twenty"')] * TWINS)
    assert {reply.status for reply in replies} == {201}
    assert len({(str(reply.body), reply.headers["Location"]) for reply in replies}) == 1
    assert [reply.headers[REPLAYED] for reply in replies].count(None) == 1
    assert [each["id"] for each in api.client.get("/assignments").body] == [replies[0].body["id"]]
    assert counts(shared_system, "twenty", load_id) == (1, 2)


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
