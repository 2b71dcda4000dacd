"""Texts in a real Redis: what makes them old, and what happens while Redis is away."""

import pickle

import pytest

from billor.cache import CacheStatus, GenerationCache
from billor.extensions import cache
from tests.support.redis_wire import RedisWire
from tests.support.worker import wait_until

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


@pytest.fixture
def no_probe(wire):
    """Nobody asks whether Redis is back, but the test."""
    wire.probe_after(600)


@pytest.mark.usefixtures("no_probe")
def test_an_owed_invalidation_is_made_up_before_redis_is_used_again(texts, wire):
    keep(texts, "key", "old")
    wire.cut = True
    texts.invalidate()
    texts.invalidate()
    assert status(texts) is CacheStatus.BYPASS
    assert not cache.cache.try_to_return()
    wire.cut = False
    wire.sent.clear()
    assert cache.cache.try_to_return()
    assert wire.sent.count("SET") == 1  # it is owed once only
    assert status(texts) is CacheStatus.MISS
    keep(texts, "key", "new")
    assert status(texts) is CacheStatus.HIT


@pytest.mark.usefixtures("no_probe")
def test_an_invalidation_that_was_not_even_tried_is_owed_too(texts, wire):
    keep(texts, "key", "old")
    wire.cut = True
    assert status(texts) is CacheStatus.BYPASS  # from here on Redis is left alone
    wire.cut = False
    texts.invalidate()
    assert cache.cache.try_to_return()
    assert status(texts) is CacheStatus.MISS


@pytest.mark.usefixtures("no_probe")
def test_an_invalidation_owed_while_another_is_made_up_is_not_forgotten(texts, wire, monkeypatch):
    wire.cut = True
    texts.invalidate()
    wire.cut = False
    backend, generations = cache.cache, []

    def replace_and_write_once_more(redis):
        if not generations:
            texts.invalidate()
        generations.append(redis.set("billor:texts:generation", str(len(generations))))

    monkeypatch.setattr(texts, "_replace_generation", replace_and_write_once_more)
    backend.owe(texts._replace_generation)
    assert backend.try_to_return()
    assert len(generations) == 2
    assert not backend.away


@pytest.mark.usefixtures("no_probe")
def test_an_invalidation_that_fails_when_it_is_made_up_stays_owed(texts, wire):
    keep(texts, "key", "old")
    wire.cut = True
    texts.invalidate()
    wire.cut = False
    wire.cut_after("PING")
    assert not cache.cache.try_to_return()
    wire.cut = False
    assert cache.cache.try_to_return()
    assert status(texts) is CacheStatus.MISS


@pytest.mark.usefixtures("no_probe")
def test_after_a_failure_redis_is_left_alone(texts, wire):
    keep(texts, "key", "text")
    wire.cut = True
    assert status(texts) is CacheStatus.BYPASS
    wire.cut = False
    wire.sent.clear()
    assert status(texts) is CacheStatus.BYPASS
    texts.invalidate()
    assert wire.sent == []


def test_redis_is_found_back_without_a_request(texts, wire, caplog):
    caplog.set_level("INFO", "billor")
    wire.probe_after(0.01)
    keep(texts, "key", "old")
    wire.cut = True
    texts.invalidate()
    wire.sent.clear()
    wait_until(lambda: len(wire.sent) > 3)
    assert cache.cache.away
    wire.cut = False
    wait_until(lambda: not cache.cache.away)
    assert status(texts) is CacheStatus.MISS
    wait_until(lambda: len(caplog.records) == 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.usefixtures("no_probe")
def test_a_bypassed_text_is_not_stored(texts, wire):
    wire.cut = True
    bypass = texts.read("key")
    wire.cut = False
    assert cache.cache.try_to_return()
    texts.store(bypass, "computed while Redis was away")
    assert redis().keys("*") == []


def test_a_text_that_cannot_be_stored_is_no_error(texts, wire):
    lookup = texts.read("key")
    wire.cut = True
    wire.sent.clear()
    texts.store(lookup, "text")
    assert wire.sent
