"""Compression with gzip, for clients that accept it."""

import gzip
import re

import pytest

from billor.api import responses
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD

GZIP = {"Accept-Encoding": "gzip"}
ACCEPTED = [
    *("gzip", "GZIP", "*", "br, gzip;q=0.1", "gzip;q=1.0, identity; q=0.5, *;q=0"),
    *("gzip, identity;q=0", "identity;q=0, *", "deflate, gzip, br, zstd", "identity, gzip"),
]
REFUSED = [
    *("", "identity", "gzip;q=0", "gzip;q=0, *", "*;q=0", "br", "gzip;q=0.5, identity", ";;,"),
    *("identity;q=0", "gzip;q=many", "x"),
]


@pytest.fixture
def client(client):
    """With a page of loads that is worth compressing."""
    for number in range(10):
        client.make_load(reference=f"PO-{number}")
    return client


def is_compressed(answer) -> bool:
    assert "Accept-Encoding" in answer.vary
    assert answer.content_encoding in (None, "gzip")
    return answer.content_encoding == "gzip"


@pytest.mark.parametrize("path", ["/loads", "/drivers", "/loads.csv", "/openapi.json"])
def test_the_client_says_whether_it_wants_compression(client, path):
    for number in range(10):
        client.make_driver(f"TX-{number}")
    plain = client.get(path)
    assert not is_compressed(plain)
    for accepted, expected in [(a, True) for a in ACCEPTED] + [(a, False) for a in REFUSED]:
        answer = client.get(path, headers={"Accept-Encoding": accepted})
        assert is_compressed(answer) == expected, accepted
        data = gzip.decompress(answer.data) if expected else answer.data
        assert data == plain.data, accepted
        assert answer.content_type == plain.content_type
        assert answer.content_length in (None, len(answer.data))


def test_a_page_is_kept_compressed_and_a_hit_takes_one_round_trip(client, wire):
    miss = client.get("/loads", headers=GZIP)
    wire.sent.clear()
    hits = [client.get("/loads", headers={"Accept-Encoding": given}) for given in ACCEPTED]
    assert [answer.headers["X-Cache"] for answer in (miss, *hits)] == ["MISS"] + ["HIT"] * 9
    assert wire.sent == ["EVAL"] * 9
    assert {answer.data for answer in hits} == {miss.data}


def test_neither_tokens_nor_streams_of_changes_are_compressed(client, anonymous, monkeypatch):
    monkeypatch.setattr(responses, "MIN_BYTES", 0)
    credentials = {"email": DEMO_EMAIL, "password": DEMO_PASSWORD}
    assert is_compressed(anonymous.get("/nowhere", headers=GZIP))
    assert is_compressed(client.get("/me", headers=GZIP))
    login = anonymous.post("/auth/login", credentials, headers=GZIP)
    token = {"refreshToken": login.json["refreshToken"]}
    refreshed = anonymous.post("/auth/refresh", token, headers=GZIP)
    with client.get("/changes", headers=GZIP) as stream:
        for answer in (login, refreshed, stream):
            assert (answer.status_code, answer.content_encoding) == (200, None)


def test_other_answers_are_compressed_from_one_kilobyte(client, anonymous):
    """Pages and assets, but nothing that is small, an image or partial."""
    assert not is_compressed(client.get("/loads/99", headers=GZIP))
    version = re.search(r"/board/(\w+)/board.js", anonymous.get("/board").text)[1]
    for name, expected in (("board.js", True), ("board.css", True), ("icon.svg", False)):
        asset = anonymous.get(f"/board/{version}/{name}", headers=GZIP)
        assert is_compressed(asset) == expected, name
    for path, headers, status, coding in (
        ("/docs/page.js", {}, 200, "gzip"),
        ("/docs/page.js", {"Range": "bytes=0-9"}, 206, None),
        ("/docs/favicon-32x32.png", {}, 200, None),
    ):
        with anonymous.get(path, headers=GZIP | headers) as answer:
            assert (answer.status_code, answer.content_encoding) == (status, coding)
