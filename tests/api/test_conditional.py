"""Conditional requests: If-None-Match spares a body, If-Match prevents lost updates."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from billor.models import LoadEvent, db
from tests.support.answers import assert_problem, next_page
from tests.support.apps import another_app, client_with_token, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import operations
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS

STRONG = re.compile(r'"[^"]+"')
SHOWN = [
    operation
    for operation in operations()
    if operation.method == "GET"
    and operation.needs_token
    and operation.documents(200, "application/json", None)
]
"""Every GET of JSON."""
ALTERED = ["W/{}", 'W/"{bare}-br"', '"{bare}-gzip"', '"{bare}--gzip"', '"other", W/"{bare};gzip"']
"""ETags that proxies made of ours when they compressed the answer."""


@pytest.fixture
def client(app):
    """With a free driver 2 and an open load 1; driver 1 has load 2 by assignment 1."""
    client = client_with_token(app)
    client.make_load()
    client.assign(client.make_driver("TX-1"), client.make_load())
    client.make_driver("TX-2")
    return give_driver_token(client, app)


def etag_at(client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


# If-None-Match


def test_every_get_has_a_strong_etag_and_is_304_while_it_matches(client, settings):
    for operation in SHOWN:
        client.make_missing(operation)
    with another_app(settings) as another:
        other_process = ApiClient(another.test_client(), client.token, client.driver_token)
        for operation in SHOWN:
            assert_matches(client, other_process, operation.address)


def assert_matches(client, other_process, address: str) -> None:
    client.get(address)  # fills the cache
    answer = client.get(address)
    etag = answer.headers["ETag"]
    assert answer.status_code == 200, answer.text
    assert STRONG.fullmatch(etag)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer.headers["Vary"]
    for method in ("GET", "HEAD"):
        again = client.request(method, address, headers={"If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b""), address
        for name in ("ETag", "Cache-Control", "Vary", "X-Content-Type-Options"):
            assert again.headers[name] == answer.headers[name]
        assert not {"Content-Type", "Content-Length"} & set(again.headers.keys())
    head = client.request("HEAD", address)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]
    assert etag_at(other_process, address) == etag


def test_if_none_match_compares_weakly(client):
    etag = etag_at(client, "/loads/1")
    for form in ("{}", '"a",{} , "b"', "*", *ALTERED):
        given = form.format(etag, bare=etag.strip('"'))
        answer = client.get("/loads/1", headers={"If-None-Match": given})
        assert answer.status_code == 304, form
    for given in ("", '"other"', 'W/"other"', '"'):
        answer = client.get("/loads/1", headers={"If-None-Match": given})
        assert answer.status_code == 200, given


def test_an_etag_changes_when_a_next_page_appears(client):
    address = "/loads/1/timeline?limit=1"
    last = client.get(address)
    client.patch("/loads/1", {"origin": "Waco, TX"})
    answer = client.get(address, headers={"If-None-Match": last.headers["ETag"]})
    assert (answer.status_code, answer.data) == (200, last.data)
    assert next_page(answer)


def test_neither_health_nor_a_problem_has_an_etag(client, anonymous):
    for answer, status in (
        (anonymous.get("/healthz", headers={"If-None-Match": "*"}), 200),
        (client.get("/loads/99", headers={"If-None-Match": "*"}), 404),
        (anonymous.get("/loads", headers={"If-None-Match": "*"}), 401),
    ):
        assert answer.status_code == status
        assert "ETag" not in answer.headers


# If-Match

UPDATES = {
    "/loads/1": {"origin": "Waco, TX"},
    "/drivers/1": {"licenseNumber": "TX-7"},
    "/users/1": {"name": "Robin"},
    "/me": {"name": "Robin"},
    "/assignments/1/status": {"status": "CANCELLED"},
}
every_patch = pytest.mark.parametrize("path", UPDATES)


def shown_at(path: str) -> str:
    return path.removesuffix("/status")


def send(client, path: str, if_match: str):
    return client.patch(path, UPDATES[path], headers={"If-Match": if_match})


def test_every_patch_takes_if_match():
    patches = [operation for operation in operations() if operation.method == "PATCH"]
    assert patches
    assert all("If-Match" in operation.parameters for operation in patches)


@every_patch
def test_a_patch_takes_the_etag_of_its_get_and_answers_with_the_new_one(app, client, path):
    def look() -> tuple:
        with app.app_context():
            events = db.session.scalar(select(func.count()).select_from(LoadEvent))
        return client.get(shown_at(path)).json, events

    before = look()
    assert_problem(send(client, path, '"other"'), 412, "precondition_failed")
    assert look() == before
    old = etag_at(client, shown_at(path))
    answer = send(client, path, old)
    shown = client.get(shown_at(path))
    assert (answer.status_code, answer.json) == (200, shown.json)
    assert answer.headers["ETag"] == shown.headers["ETag"] != old
    assert_problem(send(client, path, old), 412, "precondition_failed")


def test_if_match_takes_any_current_etag_or_star(client):
    for form in ("*", '"other", {}', *ALTERED):
        etag = etag_at(client, "/loads/1")
        given = form.format(etag, bare=etag.strip('"'))
        assert send(client, "/loads/1", given).status_code == 200, form
    etag = etag_at(client, "/loads/1")
    for form in ("", 'W/"other"', "garbage", '"', "{}x", '""', '"{bare}x"', '"-gzip"'):
        given = form.format(etag, bare=etag.strip('"'))
        assert_problem(send(client, "/loads/1", given), 412, "precondition_failed")


def test_the_order_of_refusals(client):
    other = {"If-Match": '"other"'}
    assert client.patch("/loads/99", {}, headers=other).status_code == 404
    assert client.patch("/loads/1", {"bogus": 1}, headers=other).status_code == 422
    seen = etag_at(client, "/loads/1")
    client.close(client.assign({"id": 2}, {"id": 1}), "COMPLETED")
    assert_problem(send(client, "/loads/1", seen), 412, "precondition_failed")
    assert_problem(send(client, "/loads/1", "*"), 409, "load_not_editable")


@pytest.mark.parametrize(("path", "table"), [("/loads/1", "loads"), ("/users/1", "users")])
def test_one_of_two_concurrent_patches_fails_the_precondition(app, client, path, table):
    etag = etag_at(client, path)
    clients = [ApiClient(app.test_client(), client.token) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads, rival(app) as somebody:
        somebody.execute(f"SELECT FROM {table} WHERE id = 1 FOR UPDATE")
        sent = [threads.submit(send, each, path, etag) for each in clients]
        somebody.wait_until_waited_for(2)
        somebody.give_way()
        answers = [answer.result(WAIT_SECONDS) for answer in sent]
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert done.status_code == 200
    assert_problem(refused, 412, "precondition_failed")
    assert client.get(path).json == done.json
