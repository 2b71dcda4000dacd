"""Conditional requests: nothing is sent twice (If-None-Match), and nobody's change is overwritten
unseen (If-Match)."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import func, select, update

from billor.database import transaction
from billor.extensions import db
from billor.models import LoadEvent, User
from tests.support.answers import assert_problem, next_page
from tests.support.apps import another_app, client_with_token
from tests.support.client import ApiClient
from tests.support.contract import operations
from tests.support.redis_wire import RedisWire
from tests.support.rival import rival
from tests.support.worker import WAIT_SECONDS

STRONG = re.compile(r'"[^"]+"')
SHOWN = {
    operation.path: re.sub(r"{\w+}", "1", operation.path)
    for operation in operations()
    if operation.method == "GET"
    and operation.needs_token
    and "application/json" in operation.content(200)
}
"""Every GET of JSON, and an address where it shows something."""


def audit_document(number: int) -> dict:
    return {
        "_id": str(number),
        "type": "LOAD_CREATED",
        "loadId": 1,
        "driverId": None,
        "assignmentId": None,
        "payload": {"load": {"id": 1}},
        "timestamp": f"2026-01-02T03:04:0{number}.000000Z",
        "requestId": None,
    }


@pytest.fixture
def record(app):
    """Put an audit document into the store."""
    return lambda number: app.extensions["audit_store"].save([audit_document(number)])


@pytest.fixture
def client(app, record):
    """With a free driver 2 and an open load 1; driver 1 has load 2 by assignment 1."""
    client = client_with_token(app)
    client.make_load()
    client.assign(client.make_driver("TX-1"), client.make_load())
    client.make_driver("TX-2")
    record(1)
    return client


@pytest.fixture
def rename_user(app):
    def rename() -> None:
        with app.app_context(), transaction():
            db.session.execute(update(User).values(name="Dana Dispatcher"))

    return rename


@pytest.fixture
def change(client, record, rename_user) -> dict[str, Callable]:
    """By the path of a GET, something that changes what it shows."""
    user = {"name": "Dana Dispatcher", "email": "dana@billor.example"}
    return {
        "/users": lambda: client.post("/users", user),
        "/users/{user_id}": rename_user,
        "/drivers": lambda: client.make_driver("TX-3"),
        "/drivers/{driver_id}": lambda: client.patch("/drivers/1", {"name": "Dana Dispatcher"}),
        "/loads": client.make_load,
        "/loads/{load_id}": lambda: client.patch("/loads/1", {"origin": "Waco, TX"}),
        "/loads/{load_id}/timeline": lambda: client.patch("/loads/1", {"origin": "Waco, TX"}),
        "/assignments": lambda: client.close({"id": 1}, "COMPLETED"),
        "/assignments/{assignment_id}": lambda: client.close({"id": 1}, "COMPLETED"),
        "/audit": lambda: record(2),
    }


@pytest.fixture(params=SHOWN)
def path(request) -> str:
    return request.param


@pytest.fixture
def address(path) -> str:
    return SHOWN[path]


def etag_at(client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]


def test_every_answer_of_json_has_a_strong_etag_and_is_to_be_asked_for_anew(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    assert STRONG.fullmatch(answer.headers["ETag"])
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer.headers["Vary"]


def test_a_head_is_answered_as_its_get_but_for_the_body(client, address):
    client.get(address)  # whatever is cached, is so for both
    answer, head = client.get(address), client.request("HEAD", address)
    assert head.status_code == 200
    assert head.data == b""
    for name in ("ETag", "Cache-Control", "Vary", "Content-Type", "Content-Length"):
        assert head.headers[name] == answer.headers[name]


def test_the_same_content_has_the_same_etag_in_every_process(client, settings, address):
    etag = etag_at(client, address)
    assert etag_at(client, address) == etag
    with another_app(settings) as another:
        assert etag_at(ApiClient(another.test_client(), client.token), address) == etag


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_it_already_gets_no_body(client, address, method):
    answer = client.get(address)
    etag = answer.headers["ETag"]
    of_the_body = {"Content-Type", "Content-Length", "X-Request-ID", "X-Cache"}
    kept = {name: value for name, value in answer.headers if name not in of_the_body}
    assert {"ETag", "Vary", "Cache-Control", "X-Content-Type-Options"} <= set(kept)
    for given in (etag, f"W/{etag}", f'"other", {etag}', f'"a",W/{etag} , "b"', "*"):
        again = client.request(method, address, headers={"If-None-Match": given})
        assert (again.status_code, again.data) == (304, b""), given
        assert {name: value for name, value in again.headers if name in kept} == kept
        assert not {"Content-Type", "Content-Length"} & set(again.headers.keys())
        assert ("X-Cache" in again.headers) == ("X-Cache" in answer.headers)


def test_who_has_something_else_gets_it_all(client, address):
    answer = client.get(address)
    for given in ("", '"other"', 'W/"other"', '"other", W/"another"', '"', "'*'"):
        again = client.get(address, headers={"If-None-Match": given})
        assert (again.status_code, again.data) == (200, answer.data), given


def test_what_has_changed_is_sent_with_another_etag(client, path, address, change):
    answer = client.get(address)
    change[path]()
    again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 200
    assert again.data != answer.data
    assert again.headers["ETag"] != answer.headers["ETag"]


def test_every_get_of_json_is_tested_here(change):
    assert set(SHOWN) == set(change)


def test_a_page_has_the_same_etag_whether_or_not_it_comes_from_redis(client, monkeypatch):
    address = "/loads?limit=1"
    wire = RedisWire(monkeypatch)
    answers = [client.get(address), client.get(address)]
    wire.cut = True
    answers.append(client.get(address))
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT", "BYPASS"]
    (etag,) = {answer.headers["ETag"] for answer in answers}
    assert next_page(answers[0])

    unchanged = client.get(address, headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    assert unchanged.headers["X-Cache"] == "BYPASS"
    assert next_page(unchanged) == next_page(answers[0])


@pytest.mark.parametrize("status", ["MISS", "HIT"])
def test_a_304_tells_of_the_cache_and_of_the_next_page_too(client, status):
    address = "/loads?limit=1"
    answer = client.get(address)
    if status == "MISS":
        client.patch("/loads/1", {"origin": "Waco, TX"})  # is not on this page
    unchanged = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert unchanged.status_code == 304
    assert unchanged.headers["X-Cache"] == status
    assert next_page(unchanged) == next_page(answer)


def test_a_page_after_which_another_one_comes_is_another(client):
    address = "/loads/1/timeline?limit=1"
    last = client.get(address)
    assert next_page(last) is None
    client.patch("/loads/1", {"origin": "Waco, TX"})
    answer = client.get(address, headers={"If-None-Match": last.headers["ETag"]})
    assert answer.status_code == 200
    assert answer.data == last.data
    assert next_page(answer)


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_health_is_asked_for_each_time_and_kept_by_nobody(anonymous, address):
    answer = anonymous.get(address, headers={"If-None-Match": "*"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


def test_a_problem_has_no_etag_and_is_told_each_time(client, anonymous):
    for answer, status in (
        (client.get("/loads/99", headers={"If-None-Match": "*"}), 404),
        (client.get("/loads?limit=0", headers={"If-None-Match": "*"}), 422),
        (anonymous.get("/loads", headers={"If-None-Match": "*"}), 401),
    ):
        assert answer.status_code == status
        assert "ETag" not in answer.headers


@dataclass(frozen=True)
class Update:
    """A PATCH: of what, with which body, and another PATCH by somebody who was faster."""

    path: str
    shown_at: str
    """The address of the GET whose ETag it takes."""
    body: dict
    faster: tuple[str, dict]
    again: int = 200
    """The status of the answer to the same PATCH, after it was done."""
    locks: str = ""
    """Its row, for a rival to hold."""


UPDATES = {
    "/loads/{load_id}": Update(
        "/loads/1",
        "/loads/1",
        {"origin": "Waco, TX"},
        ("/loads/1", {"cargoType": "Reefer"}),
        locks="loads",
    ),
    "/drivers/{driver_id}": Update(
        "/drivers/1",
        "/drivers/1",
        {"licenseNumber": "TX-7"},
        ("/drivers/1", {"name": "Dana Dispatcher"}),
        locks="drivers",
    ),
    "/assignments/{assignment_id}/status": Update(
        "/assignments/1/status",
        "/assignments/1",
        {"status": "CANCELLED"},
        ("/drivers/1", {"name": "Dana Dispatcher"}),
        again=409,
        locks="driver_load_assignments",
    ),
}


@pytest.fixture(params=UPDATES.values(), ids=UPDATES)
def patch(request) -> Update:
    return request.param


def send(client, patch, if_match: str | None, body: dict | None = None, path: str | None = None):
    headers = {} if if_match is None else {"If-Match": if_match}
    return client.patch(path or patch.path, patch.body if body is None else body, headers=headers)


@pytest.fixture
def stale(client, patch) -> str:
    """The ETag of what it was before somebody was faster."""
    etag = etag_at(client, patch.shown_at)
    path, body = patch.faster
    assert client.patch(path, body).status_code == 200
    return etag


@pytest.fixture
def unchanged(app, client, patch, stale):
    """Check that nothing has changed since."""

    def look() -> tuple:
        with app.app_context():
            events = db.session.scalar(select(func.count()).select_from(LoadEvent))
        return client.get(patch.shown_at).json, client.get("/loads").json, events

    before = look()
    return lambda: look() == before


def test_every_patch_takes_if_match_and_is_tested_here():
    patches = {o.path: o.parameters for o in operations() if o.method == "PATCH"}
    assert patches == {path: ["If-Match"] for path in UPDATES}


@pytest.mark.parametrize("form", [None, "*", "{}", '"other", {}', '{} ,W/"other"'])
def test_who_saw_the_last_version_or_does_not_care_may_change_it(client, patch, form):
    etag = etag_at(client, patch.shown_at)
    answer = send(client, patch, form and form.format(etag))
    assert answer.status_code == 200, answer.text
    assert answer.json == client.get(patch.shown_at).json
    assert {name: answer.json[name] for name in patch.body} == patch.body


def test_the_answer_has_the_new_version_s_etag_to_go_on_with(client, patch):
    old = etag_at(client, patch.shown_at)
    answer = send(client, patch, old)
    new = answer.headers["ETag"]
    assert new == etag_at(client, patch.shown_at) != old
    assert_problem(send(client, patch, old), 412, "precondition_failed")
    assert send(client, patch, new).status_code == patch.again


def test_who_saw_an_older_version_changes_nothing(client, patch, stale, unchanged):
    assert_problem(send(client, patch, stale), 412, "precondition_failed")
    assert unchanged()
    assert send(client, patch, etag_at(client, patch.shown_at)).status_code == 200


NO_MATCHES = ["", " ", "W/{}", '"other"', 'W/{}, "other"', "garbage", '"', "'{}'", "{}x", '""']


def test_what_names_no_version_for_sure_is_no_match(client, patch, stale, unchanged):
    etag = etag_at(client, patch.shown_at)
    for given in NO_MATCHES:
        assert_problem(send(client, patch, given.format(etag)), 412, "precondition_failed")
    assert unchanged()


def test_an_unknown_id_is_not_found_whatever_the_version(client, patch):
    path = patch.path.replace("1", "99")
    for given in ("*", '"other"', ""):
        assert send(client, patch, given, path=path).status_code == 404


def test_a_bad_body_is_told_of_first(client, patch, stale, unchanged):
    bad = send(client, patch, stale, {"bogus": 1})
    assert_problem(bad, 422, "validation_failed")
    headers = {"If-Match": stale, "Content-Type": "application/json"}
    assert_problem(client.patch(patch.path, data="{", headers=headers), 400, "malformed_request")
    assert unchanged()


def test_an_older_version_is_told_of_before_what_forbids_the_change(client):
    """The conflict may be news to who asked."""
    seen = etag_at(client, "/loads/1")
    client.assign({"id": 2}, {"id": 1})
    for etag, status, code in (
        (seen, 412, "precondition_failed"),
        (etag_at(client, "/loads/1"), 409, "load_not_editable"),
    ):
        answer = client.patch("/loads/1", {"origin": "Waco, TX"}, headers={"If-Match": etag})
        assert_problem(answer, status, code)


def test_of_two_who_saw_the_same_version_one_changes_it(app, client, patch):
    etag = etag_at(client, patch.shown_at)
    clients = [ApiClient(app.test_client(), client.token) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads, rival(app) as somebody:
        somebody.execute(f"SELECT FROM {patch.locks} WHERE id = 1 FOR UPDATE")
        sent = [threads.submit(send, client, patch, etag) for client in clients]
        somebody.wait_until_waited_for(2)
        somebody.give_way()
        answers = [answer.result(WAIT_SECONDS) for answer in sent]
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert done.status_code == 200
    assert_problem(refused, 412, "precondition_failed")
    assert client.get(patch.shown_at).json == done.json
