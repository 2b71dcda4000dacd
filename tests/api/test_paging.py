"""Pagination of lists by signed cursors."""

import re
from itertools import chain
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from billor.api import pagination
from tests.support.answers import assert_invalid, in_lists, next_page, pages
from tests.support.apps import another_app, give_driver_token
from tests.support.client import ApiClient
from tests.support.contract import operations

TIME = "2026-01-02T03:04:05.000000Z"
UUID = "00000000-0000-0000-0000-000000000001"


MAKERS = {
    "/loads": lambda client, number: client.make_load(origin=f"Origin {number}"),
    "/drivers": lambda client, number: client.make_driver(f"TX-{number}"),
    "/users": lambda client, number: client.post(
        "/users", {"name": "N", "email": f"{number}@billor.example"}
    ),
    "/assignments": lambda client, number: client.assign(
        client.make_driver(f"TX-{number}"), client.make_load()
    ),
    "/loads/1/timeline": lambda client, number: client.patch(
        "/loads/1", {"origin": f"Origin {number}"}
    ),
}
every_list = pytest.mark.parametrize("path", MAKERS)


@pytest.fixture
def make(client, path):
    """Make rows of the list at `path`, with these numbers."""
    if "timeline" in path:
        client.make_load()

    def make(*numbers):
        for number in numbers:
            MAKERS[path](client, number)

    return make


@every_list
def test_pages_are_full_and_in_order_also_while_rows_are_created(client, path, make):
    make(*range(5))
    items = client.get(f"{path}?limit=200").json
    keys = [item["timestamp" if "timeline" in path else "id"] for item in items]
    assert keys == sorted(keys, reverse="timeline" not in path)
    for limit in (1, 2, len(items) - 1, len(items), len(items) + 1):
        got = list(pages(client, f"{path}?limit={limit}"))
        assert list(chain(*got)) == items
        assert [len(page) for page in got[:-1]] == [limit] * (len(got) - 1)
        assert got[-1], "no empty page at the end"
    got = []
    for number, page in enumerate(pages(client, f"{path}?limit=2"), start=5):
        got += page
        if number < 8:
            make(number)
    # New rows come before the first page, or after the last one of the timeline.
    assert got[: len(items)] == items
    assert len(got) == len(items) + 3 * ("timeline" in path)


def test_the_next_page_keeps_all_filters_and_the_limit_also_from_the_cache(client):
    loads = [client.make_load(origin="Ålesund & Co?=#%+") for _ in range(3)]
    query = [
        *(("limit", "1"), ("status", "OPEN"), ("status", "CANCELLED"), ("status", "OPEN")),
        *(("origin", "Ålesund & Co?=#%+"), ("createdFrom", "2026-01-02T03:04:05Z")),
        *(("createdTo", "2099-01-02T03:04:05+01:00"), ("cargoType", "DRY VAN")),
    ]
    address = f"/loads?{urlencode(query)}"
    answers = [client.get(address) for _ in range(2)]
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
    assert next_page(answers[0]) == next_page(answers[1])
    following = parse_qsl(urlsplit(next_page(answers[0])).query)
    assert following[:-1] == query
    assert following[-1][0] == "cursor"
    assert list(pages(client, address)) == [[in_lists(load)] for load in reversed(loads)]


ORDERED_BY = {
    "/assignments": [TIME, 1],
    "/loads": [TIME, 1],
    "/loads/1/timeline": [TIME, UUID],
    "/audit": [TIME, UUID],
    "/audit/accounts": [TIME, UUID],
    "/me/assignments": [TIME, 1],
    "/assignments/1/check-ins": [TIME, 1],
    "/me/assignment/check-ins": [TIME, 1],
    "/me/assignment/comments": [TIME, UUID],
}
"""What the cursors of lists hold that are not ordered by the id alone."""
LISTS = [e.address for e in operations() if "cursor" in e.parameters]
POSITIONS = {path: ORDERED_BY.get(path, [1]) for path in LISTS}


@pytest.fixture
def signed(app):
    """Sign a cursor with any content for the list at this path."""

    def sign(path, content):
        with app.test_request_context(path):
            return pagination._serializer().dumps(content)

    return sign


@pytest.fixture
def client_of_load_1(app, client):
    client.assign(client.make_driver("TX-D"), client.make_load())
    client.post("/webhooks", {"url": "https://a.example/hook"})
    return give_driver_token(client, app)


def go_on(client, path, cursor):
    return client.get(path, query_string={"cursor": cursor})


def test_a_cursor_is_valid_in_every_process_and_for_no_other_list(
    settings, client_of_load_1, signed
):
    """Also without Redis."""
    with another_app(settings, REDIS_URL="") as app:
        tokens = (client_of_load_1.token, client_of_load_1.driver_token)
        client = ApiClient(app.test_client(), *tokens)
        for path, position in POSITIONS.items():
            cursor = signed(path, position)
            assert re.fullmatch(r"[A-Za-z0-9_.-]+", cursor)
            answer = go_on(client, path, cursor)
            assert answer.status_code == 200, f"not ordered by id? Add {path} to ORDERED_BY"
            for other in {*POSITIONS, "/loads/2"} - {path}:
                assert_invalid(go_on(client, path, signed(other, position)), "cursor")


def test_a_damaged_or_forged_cursor_is_refused(settings, client, signed):
    cursor = signed("/loads", POSITIONS["/loads"])
    position, signature = cursor.rsplit(".", 1)
    damaged = ["", "1", "é\x00", "x" * 5000, position, signature, f"{cursor}A", cursor[1:]]
    with (
        another_app(settings, JWT_SECRET_KEY="another-" * 5) as app,
        app.test_request_context("/loads"),
    ):
        damaged.append(pagination._serializer().dumps(POSITIONS["/loads"]))
    for each in damaged:
        assert_invalid(go_on(client, "/loads", each), "cursor")


def test_a_signed_cursor_with_malformed_content_is_refused(client_of_load_1, signed):
    for path, good in POSITIONS.items():
        forms = [1, "1", None, {}, [], [*good, 1], good[:-1], {"0": good}, [*good[:-1], None]]
        forms.append([*good[:-1], 2**63 if good[-1] == 1 else 1])
        if len(good) == 2:
            forms += [[time, good[1]] for time in (None, 1, "yesterday", "0001-01-01T00:00+00:01")]
        for form in forms:
            assert_invalid(go_on(client_of_load_1, path, signed(path, form)), "cursor")
