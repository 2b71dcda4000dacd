"""Texts in a real Redis: what makes them old, and what happens while Redis is away."""

import pickle

import pytest

from billor.cache import CacheStatus, GenerationCache
from billor.extensions import cache
from tests.support.redis_wire import RedisWire

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def texts() -> GenerationCache:
    return GenerationCache("texts", timeout=60)


@pytest.fixture
def wire(monkeypatch) -> RedisWire:
    return RedisWire(monkeypatch)


def redis():
    return cache.cache.client


def keep(texts, key, text):
    texts.store(texts.read(key), text)


def status(texts, key="key"):
    return texts.read(key).status


@pytest.mark.parametrize("text", ["", "[]", "two\nlines\n", "Łódź 🚚", "x" * 100_000])
def test_a_text_comes_back_as_it_was(texts, text):
    assert status(texts) is CacheStatus.MISS
    keep(texts, "key", text)
    lookup = texts.read("key")
    assert (lookup.status, lookup.text) == (CacheStatus.HIT, text)
    assert status(texts, "another key") is CacheStatus.MISS


def test_invalidation_makes_every_text_old(texts):
    keep(texts, "a", "1")
    keep(texts, "b", "2")
    texts.invalidate()
    assert status(texts, "a") is CacheStatus.MISS
    assert status(texts, "b") is CacheStatus.MISS


def test_a_slow_reader_cannot_put_an_old_text_back(texts):
    slow = texts.read("key")
    texts.invalidate()
    texts.store(slow, "old")
    assert status(texts) is CacheStatus.MISS


def test_a_lost_generation_revives_nothing(texts):
    keep(texts, "key", "old")
    slow = texts.read("another key")
    redis().delete("billor:texts:generation")
    assert status(texts) is CacheStatus.MISS
    texts.store(slow, "old")
    assert status(texts, "another key") is CacheStatus.MISS


def test_two_that_find_no_generation_agree_on_one(texts):
    first, second = texts.read("a"), texts.read("b")
    texts.store(first, "1")
    texts.store(second, "2")
    assert (status(texts, "a"), status(texts, "b")) == (CacheStatus.HIT, CacheStatus.HIT)


def test_a_hit_is_one_round_trip(texts, wire):
    keep(texts, "key", "text")
    wire.sent.clear()
    assert status(texts) is CacheStatus.HIT
    assert wire.sent == ["MGET"]


def test_texts_expire_and_generations_do_not(texts):
    keep(texts, "key", "text")
    assert 0 < redis().ttl("billor:texts:key") <= 60
    assert redis().ttl("billor:texts:generation") == -1
    texts.invalidate()
    assert redis().ttl("billor:texts:generation") == -1


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
def test_what_others_left_in_redis_is_never_run_and_counts_as_missing(texts, value):
    texts.read("key")
    redis().set("billor:texts:key", value)
    assert status(texts) is CacheStatus.MISS


@pytest.mark.parametrize("pause", [0, 60])
def test_an_owed_invalidation_is_made_up_before_the_next_read(texts, wire, pause):
    wire.pause_after_failure(pause)
    keep(texts, "key", "old")
    wire.cut = True
    texts.invalidate()
    assert status(texts) is CacheStatus.BYPASS
    wire.cut = False
    cache.cache.answered()  # the pause is over
    assert status(texts) is CacheStatus.MISS
    keep(texts, "key", "new")
    assert status(texts) is CacheStatus.HIT  # it is owed once only


def test_an_invalidation_stays_owed_until_it_succeeds(texts, wire):
    wire.pause_after_failure(0)
    keep(texts, "key", "old")
    wire.cut = True
    texts.invalidate()
    texts.invalidate()
    assert status(texts) is CacheStatus.BYPASS  # tries, and fails again
    wire.cut = False
    assert status(texts) is CacheStatus.MISS


def test_an_invalidation_that_was_not_even_tried_is_owed_too(texts, wire):
    wire.pause_after_failure(60)
    keep(texts, "key", "old")
    wire.cut = True
    assert status(texts) is CacheStatus.BYPASS  # from here on Redis is left alone
    wire.cut = False
    texts.invalidate()
    cache.cache.answered()
    assert status(texts) is CacheStatus.MISS


def test_after_a_failure_redis_is_left_alone_for_a_while(texts, wire):
    wire.pause_after_failure(60)
    keep(texts, "key", "text")
    wire.cut = True
    assert status(texts) is CacheStatus.BYPASS
    wire.cut = False
    wire.sent.clear()
    assert status(texts) is CacheStatus.BYPASS
    texts.invalidate()
    assert wire.sent == []


def test_a_bypassed_text_is_not_stored(texts, wire):
    wire.pause_after_failure(0)
    wire.cut = True
    bypass = texts.read("key")
    wire.cut = False
    texts.store(bypass, "computed while Redis was away")
    assert redis().keys("*") == []


def test_a_text_that_cannot_be_stored_is_no_error(texts, wire):
    lookup = texts.read("key")
    wire.cut = True
    wire.sent.clear()
    texts.store(lookup, "text")
    assert wire.sent
