"""GET /loads through Redis: hits, invalidation, and outages of Redis."""

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from billor.cache import PageCache
from billor.models import db
from tests.support.answers import in_lists, next_page
from tests.support.apps import another_app
from tests.support.client import ApiClient
from tests.support.worker import WAIT_SECONDS


def listed(client, address="/loads"):
    """The `X-Cache` header and the list."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Cache"], answer.json


def test_each_query_and_host_has_its_own_page(client):
    client.make_load()
    queries = ["", "?status=OPEN", "?status=CANCELLED", "?limit=1", "?limit=1&status=OPEN"]
    for expected in ("MISS", "HIT"):
        assert [listed(client, f"/loads{query}")[0] for query in queries] == [expected] * 5
    assert listed(client, "/loads?status=CANCELLED") == ("HIT", [])
    client.make_load()
    for host in ("localhost", "127.0.0.1"):
        for expected in ("MISS", "HIT"):
            answer = client.get("/loads?limit=1", headers={"Host": host})
            assert answer.headers["X-Cache"] == expected
            assert answer.headers["Link"].startswith(f"<http://{host}/loads?limit=1&cursor=")


def test_an_envelope_has_items_and_the_next_page_also_from_the_cache(client):
    for _ in range(2):
        client.make_load()
    asked = {"headers": {"Accept": "application/json; envelope=1"}}
    for expected in ("MISS", "HIT"):
        plain, enclosed = client.get("/loads?limit=1"), client.get("/loads?limit=1", **asked)
        for answer in (plain, enclosed):
            assert answer.headers["X-Cache"] == expected
            assert {"Accept", "Authorization"} <= set(answer.vary)
        assert enclosed.json == {"items": plain.json, "next": next_page(plain)}
        assert enclosed.headers["ETag"] != plain.headers["ETag"]
    for path in ("/drivers", "/loads/1/timeline", "/audit"):
        plain = client.get(path).json
        assert client.get(path, **asked).json == {"items": plain, "next": None}, path
    assert client.get("/events", **asked).json["next"].startswith("http://localhost/events?after=")
    assert client.get("/loads/1", **asked).json["id"] == 1
    for accept, is_enclosed in {
        'application/json;envelope="1", text/html': True,
        "application/json;q=0.5, application/json;envelope=1": True,
        "application/json, application/json;envelope=1;q=0.5": False,
        "application/json;envelope=2, */*": False,
        ";=,/;envelope=1;q=x": False,
    }.items():
        answer = client.get("/loads", headers={"Accept": accept})
        assert isinstance(answer.json, dict) == is_enclosed, accept


LOAD = {"origin": "A", "destination": "B", "cargoType": "C"}
PAIR = {"driverId": 2, "loadId": 2}
WRITES = {
    "create": ("POST", "/loads", LOAD),
    "update": ("PATCH", "/loads/2", {"origin": "Elsewhere"}),
    "cancel the load": ("PATCH", "/loads/2", {"status": "CANCELLED"}),
    "assign": ("POST", "/assignments", PAIR),
    "assign many": ("POST", "/assignments/bulk", {"assignments": [PAIR]}),
    "reassign": ("POST", "/assignments/1/reassign", {"driverId": 2}),
    "complete": ("PATCH", "/assignments/1/status", {"status": "COMPLETED"}),
    "cancel": ("PATCH", "/assignments/1/status", {"status": "CANCELLED"}),
}


@pytest.fixture
def things(client) -> None:
    """Driver 1 with load 1 by assignment 1, a free driver 2, and an open load 2."""
    client.assign(client.make_driver("TX-1"), client.make_load())
    client.make_driver("TX-2")
    client.make_load()


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_invalidates_all_pages_in_one_round_trip(client, wire, write):
    queries = ("/loads", "/loads?status=ASSIGNED")
    before = [listed(client, query)[1] for query in queries]
    assert [listed(client, query)[0] for query in queries] == ["HIT", "HIT"]

    wire.sent.clear()
    assert client.request(*write).status_code in (200, 201)
    assert len(wire.sent) == 1
    for query in queries:
        assert listed(client, query)[0] == "MISS"
    status, loads = listed(client)
    assert (status, loads != before[0]) == ("HIT", True)
    # GET /loads/{id} is not cached.
    assert loads == [in_lists(client.get(f"/loads/{load['id']}").json) for load in loads]


@pytest.mark.usefixtures("things")
def test_a_change_of_a_driver_invalidates_pages(client):
    address = "/loads?expand=assignment"
    listed(client, address)
    driver = client.patch("/drivers/1", {"name": "Robin Reed"}).json
    cache, (_, load) = listed(client, address)
    assert (cache, load["assignment"]["driver"]) == ("MISS", driver)


def test_pages_are_invalidated_after_the_commit_and_before_the_answer(client, app, monkeypatch):
    """Before the commit a reader could store a stale page under the new generation."""
    seen = []
    invalidate = PageCache.invalidate
    reader = ApiClient(app.test_client(), client.token)

    def look_and_invalidate(pages):
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(reader.get, "/loads/1").result(WAIT_SECONDS).status_code)
        invalidate(pages)

    monkeypatch.setattr(PageCache, "invalidate", look_and_invalidate)
    assert client.make_load()["id"] == 1
    assert seen[-1] == 200


def test_a_commit_whose_answer_was_lost_invalidates_pages_too(client, monkeypatch):
    commit = db.session.commit

    def commit_and_lose_the_answer() -> None:
        commit()
        raise OperationalError("COMMIT", {}, psycopg2.OperationalError("connection lost"))

    listed(client)
    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", commit_and_lose_the_answer)
        assert client.post("/loads", LOAD).status_code == 503
    status, loads = listed(client)
    assert (status, len(loads)) == ("MISS", 1)


def test_a_page_from_the_cache_is_the_one_flask_has_made(client, settings):
    """With the headers in the same order, for scripts of other origins, too."""
    origin = "https://dispatch.example"
    client.make_load()
    client.make_load()
    with another_app(settings, CORS_ORIGINS=origin) as with_cors:
        for address, api in (
            ("/loads?limit=1", client),
            ("/loads", ApiClient(with_cors.test_client(), client.token)),
        ):
            headers = {"X-Request-ID": "mine", "Origin": origin}
            made, kept = (api.get(address, headers=headers) for _ in range(2))
            assert (made.headers.pop("X-Cache"), kept.headers.pop("X-Cache")) == ("MISS", "HIT")
            assert list(kept.headers) == list(made.headers)
            assert (kept.status, kept.data) == (made.status, made.data)
