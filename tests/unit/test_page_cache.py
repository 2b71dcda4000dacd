"""The page cache in a real Redis: generations, and outages of Redis."""

import logging
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from flask import current_app
from redis import Redis

from billor import cache as cache_module
from billor.cache import PageCache, cache, redis_answers
from tests.support.worker import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("context")

HIT, MISS, BYPASS = "HIT", "MISS", "BYPASS"


@pytest.fixture
def pages() -> PageCache:
    return current_app.extensions["pages"]


@pytest.fixture
def log(caplog):
    """The lines about Redis so far."""
    caplog.set_level(logging.INFO, cache_module.__name__)
    return lambda: [record.message for record in caplog.records]


def redis() -> Redis:
    """A client of our own, since the app's refuses to connect where it cannot write."""
    return Redis.from_url(current_app.config["BILLOR"].redis_url)


def keep(pages, key, text):
    pages.store(pages.read(key), text.encode())


def status(pages, key="key"):
    return pages.read(key).status


def test_a_cached_text_is_returned_unchanged_in_one_round_trip(pages, wire):
    text = "Łódź 🚚\n" * 10_000
    assert status(pages) == MISS
    keep(pages, "key", text)
    wire.sent.clear()
    lookup = pages.read("key")
    assert (lookup.status, lookup.page) == (HIT, text.encode())
    assert wire.sent == ["EVAL"]
    assert status(pages, "another key") == MISS
    assert 0 < redis().ttl("billor:key") <= 60
    assert redis().ttl("billor:generation") == -1


def test_a_foreign_value_in_redis_is_a_miss(pages):
    pages.read("key")
    for value in (b"no stamp", b"", b"\x80\xff"):
        redis().set("billor:key", value)
        assert status(pages) == MISS


@pytest.mark.parametrize("is_evicted", [False, True])
def test_a_page_that_is_stored_after_a_write_is_never_served(pages, is_evicted):
    """A reader may be held up between its look into the database and Redis."""
    late = [pages.read("key")]
    if is_evicted:
        redis().delete("billor:generation")
        late.append(pages.read("key"))
    pages.invalidate()
    if is_evicted:
        redis().delete("billor:generation")
    for lookup in late:
        pages.store(lookup, b"old")
        assert status(pages) == MISS


def test_a_new_connection_may_lead_to_an_older_redis(pages, log):
    """One that has restored a snapshot, or a replica that lagged behind."""
    keep(pages, "key", "old")
    snapshot = {name: redis().get(name) for name in ("billor:key", "billor:generation")}
    pages.invalidate()
    redis().mset(snapshot)
    redis().client_kill_filter(_type="normal")
    assert status(pages) == MISS
    assert log() == []


def test_after_a_failure_redis_is_left_alone_but_by_writes(pages, wire, log, monkeypatch):
    pause_over = threading.Event()
    clock = SimpleNamespace(sleep=lambda _seconds: pause_over.wait(WAIT_SECONDS))
    monkeypatch.setattr(cache_module, "time", clock)
    keep(pages, "key", "old")
    wire.cut = True
    bypass = pages.read("key")
    assert bypass.status == BYPASS
    wire.cut = False
    wire.sent.clear()
    assert status(pages) == BYPASS
    assert not redis_answers()
    pages.store(bypass, b"rendered while Redis was away")
    assert wire.sent == []
    pages.invalidate()
    assert wire.sent[-2:] == ["SET", "EVAL"]
    assert redis_answers()
    assert status(pages) == MISS
    keep(pages, "key", "new")
    pause_over.set()
    wait_until(lambda: not any(each.name == "redis" for each in threading.enumerate()))
    assert status(pages) == HIT
    away, back = log()
    assert away.startswith("Redis is away or refuses, going on without it: ")
    assert back == "Redis is back"


def between(begin: str, end: str):
    @contextmanager
    def refusing():
        redis().execute_command(*begin.split())
        try:
            yield
        finally:
            redis().execute_command(*end.split())

    return refusing


REFUSALS = {
    "OOM": between("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "NOPERM": between("ACL SETUSER default -eval", "ACL SETUSER default +eval"),
    "paused": between("CLIENT PAUSE 60000 WRITE", "CLIENT UNPAUSE"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_redis_that_refuses_writes_is_away_until_it_takes_them(pages, log, monkeypatch, kind):
    """For every process: one that has not written anything would read the old page."""
    monkeypatch.setattr(cache_module, "PAUSE_SECONDS", 0.01)
    other = PageCache(cache.cache)
    keep(pages, "key", "old")
    with REFUSALS[kind]():
        for _ in range(2):
            pages.invalidate()
            assert status(pages) == BYPASS
        assert status(other) == BYPASS
        assert len(log()) == 2, log()  # one of each
    wait_until(lambda: status(pages) == status(other) == MISS)
