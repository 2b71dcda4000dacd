"""The page cache in a real Redis: invalidation, and outages of Redis."""

import pickle

import pytest
from redis import BlockingConnectionPool, ConnectionPool, Redis

from billor.cache.backend import TextRedisCache, redis_backend
from billor.cache.pages import CacheStatus, PageCache, invalidate_pages
from billor.extensions import cache
from tests.support.redis_wire import RedisWire
from tests.support.worker import wait_until

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def pages() -> PageCache:
    return PageCache("pages", timeout=60, backend=redis_backend())


@pytest.fixture
def wire(monkeypatch) -> RedisWire:
    return RedisWire(monkeypatch)


def redis():
    return cache.cache.client


def keep(pages, key, text):
    pages.store(pages.read(key), text)


def status(pages, key="key"):
    return pages.read(key).status


@pytest.mark.parametrize("text", ["", "[]", "two\nlines\n", "Łódź 🚚", "x" * 100_000])
def test_a_cached_text_is_returned_unchanged(pages, text):
    assert status(pages) is CacheStatus.MISS
    keep(pages, "key", text)
    lookup = pages.read("key")
    assert (lookup.status, lookup.text) == (CacheStatus.HIT, text)
    assert status(pages, "another key") is CacheStatus.MISS


def test_invalidation_makes_every_text_a_miss(pages):
    keep(pages, "a", "1")
    keep(pages, "b", "2")
    invalidate_pages()
    assert status(pages, "a") is CacheStatus.MISS
    assert status(pages, "b") is CacheStatus.MISS


def test_a_slow_reader_cannot_store_a_stale_text(pages):
    slow = pages.read("key")
    invalidate_pages()
    pages.store(slow, "old")
    assert status(pages) is CacheStatus.MISS


def test_a_lost_cache_generation_revives_nothing(pages):
    keep(pages, "key", "old")
    slow = pages.read("another key")
    redis().delete("billor:generation")
    assert status(pages) is CacheStatus.MISS
    pages.store(slow, "old")
    assert status(pages, "another key") is CacheStatus.MISS


def test_two_readers_without_a_cache_generation_agree_on_one(pages):
    first, second = pages.read("a"), pages.read("b")
    pages.store(first, "1")
    pages.store(second, "2")
    assert (status(pages, "a"), status(pages, "b")) == (CacheStatus.HIT, CacheStatus.HIT)


def test_a_cache_hit_is_one_round_trip(pages, wire):
    keep(pages, "key", "text")
    wire.sent.clear()
    assert status(pages) is CacheStatus.HIT
    assert wire.sent == ["MGET"]


def test_a_connection_that_redis_has_closed_is_replaced_unnoticed(pages):
    keep(pages, "key", "text")
    assert status(pages) is CacheStatus.HIT
    redis().client_kill_filter(_type="normal", skipme=True)
    assert status(pages) is CacheStatus.HIT


def test_all_connections_are_closed_with_the_client(pages):
    keep(pages, "key", "text")
    assert status(pages) is CacheStatus.HIT
    options = redis().connection_pool.connection_kwargs
    with Redis(connection_pool=ConnectionPool(**options, client_name="another")) as another:
        redis().close()
        wait_until(lambda: [each["name"] for each in another.client_list()] == ["another"])
        another.connection_pool.disconnect()


def test_a_pool_that_does_more_than_keep_connections_is_used(pages, wire):
    keep(pages, "key", "text")
    pool = BlockingConnectionPool(**redis().connection_pool.connection_kwargs)
    backend = TextRedisCache(host=Redis(connection_pool=pool), key_prefix="billor:")
    assert status(PageCache("pages", timeout=60, backend=backend)) is CacheStatus.HIT
    assert pool.get_connection_count()[0][0] == 1
    pool.disconnect()


def test_cached_texts_expire_and_cache_generations_do_not(pages):
    keep(pages, "key", "text")
    assert 0 < redis().ttl("billor:pages:key") <= 60
    assert redis().ttl("billor:generation") == -1
    invalidate_pages()
    assert redis().ttl("billor:generation") == -1


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle from Redis was run",)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"no stamp", id="no stamp"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\xff", id="not UTF-8"),
        pytest.param(pickle.dumps(Trap()), id="a pickle"),
    ],
)
def test_a_foreign_value_in_redis_is_never_unpickled_and_is_a_miss(pages, value):
    pages.read("key")
    redis().set("billor:pages:key", value)
    assert status(pages) is CacheStatus.MISS


@pytest.fixture
def no_probe(wire):
    """Only the test closes the circuit."""
    wire.probe_after(600)


def close_circuit() -> bool:
    breaker = cache.cache.breaker
    return breaker.try_to_close()


@pytest.mark.usefixtures("no_probe")
@pytest.mark.parametrize("is_open_before", [True, False])
def test_an_invalidation_during_an_outage_is_done_before_redis_is_reused(
    pages, wire, is_open_before
):
    keep(pages, "key", "old")
    wire.cut = True
    if is_open_before:
        assert status(pages) is CacheStatus.BYPASS
    invalidate_pages()
    assert not close_circuit()
    wire.cut = False
    assert close_circuit()
    assert status(pages) is CacheStatus.MISS
    keep(pages, "key", "new")
    assert status(pages) is CacheStatus.HIT


@pytest.mark.usefixtures("no_probe")
def test_an_invalidation_while_the_circuit_is_closing_is_not_lost(pages, wire, monkeypatch):
    wire.cut = True
    assert status(pages) is CacheStatus.BYPASS
    wire.cut = False
    start_generation, count = cache.cache.start_generation, 0

    def start_and_write_once_more():
        nonlocal count
        count += 1
        start_generation()
        if count == 1:
            invalidate_pages()

    monkeypatch.setattr(cache.cache.breaker, "_recover", start_and_write_once_more)
    assert not close_circuit()
    assert close_circuit()
    assert count == 2


@pytest.mark.usefixtures("no_probe")
def test_a_recovery_that_fails_leaves_the_circuit_open(pages, wire):
    keep(pages, "key", "old")
    wire.cut = True
    invalidate_pages()
    wire.cut = False
    wire.cut_after("SET")
    close_circuit()
    wire.cut = False
    assert status(pages) is not CacheStatus.HIT


@pytest.mark.usefixtures("no_probe")
def test_an_open_circuit_sends_nothing_to_redis(pages, wire):
    keep(pages, "key", "text")
    wire.cut = True
    assert status(pages) is CacheStatus.BYPASS
    wire.cut = False
    wire.sent.clear()
    assert status(pages) is CacheStatus.BYPASS
    invalidate_pages()
    assert wire.sent == []


@pytest.mark.usefixtures("no_probe")
def test_a_bypassed_text_is_not_stored(pages, wire):
    wire.cut = True
    bypass = pages.read("key")
    wire.cut = False
    assert close_circuit()
    pages.store(bypass, "computed while Redis was away")
    assert redis().keys("billor:pages:*") == []


def test_a_text_that_cannot_be_stored_raises_no_error(pages, wire):
    lookup = pages.read("key")
    wire.cut = True
    wire.sent.clear()
    pages.store(lookup, "text")
    assert wire.sent
