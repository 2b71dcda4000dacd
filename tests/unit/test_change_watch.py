"""Waiting for changes, of which a real Redis tells: outages, refusals and other servers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from redis import Redis

from billor.cache import watch as watch_module
from billor.cache.backend import redis_backend
from billor.cache.pages import invalidate_pages
from billor.cache.watch import ChangeWatch
from billor.extensions import cache
from tests.support.redis_wire import RedisWire

pytestmark = pytest.mark.usefixtures("context")

LONG = 10
SHORT = 0.1


@pytest.fixture
def wire(monkeypatch) -> RedisWire:
    return RedisWire(monkeypatch)


@pytest.fixture
def watch() -> ChangeWatch:
    invalidate_pages()
    watch = ChangeWatch()
    watch.begin()
    return watch


def redis() -> Redis:
    return cache.cache.client


def wait(watch: ChangeWatch, seconds: float) -> tuple[bool, bool]:
    """What `wait` returns, and whether it took its time."""
    began = time.monotonic()
    return watch.wait(seconds), time.monotonic() - began >= seconds


def test_a_change_ends_the_wait_and_its_absence_does_not(watch, app):
    assert wait(watch, SHORT) == (False, True)

    def change() -> None:
        with app.app_context():
            invalidate_pages()

    thread = Thread(target=change)
    thread.start()
    assert wait(watch, LONG) == (True, False)
    thread.join()
    assert wait(watch, SHORT) == (False, True)  # it is told of once


def test_a_change_before_the_wait_is_told_of_as_well(watch):
    for _ in range(3):
        invalidate_pages()
        assert wait(watch, LONG) == (True, False)
        watch.begin()
    assert wait(watch, SHORT) == (False, True)


def test_many_changes_between_two_waits_leave_nothing_behind(watch):
    for _ in range(50):
        invalidate_pages()
        watch.begin()
    watch.wait(SHORT)
    assert wait(watch, SHORT) == (False, True)


def test_a_change_from_no_generation_is_told_of():
    redis().delete("billor:generation")
    watch = ChangeWatch()
    watch.begin()
    invalidate_pages()
    assert wait(watch, LONG) == (True, False)


def test_a_connection_that_redis_closes_ends_the_wait_and_is_replaced_unnoticed(watch):
    for _ in range(2):
        redis().client_kill_filter(_type="normal", skipme=True)
        assert wait(watch, LONG) == (True, False)
        watch.begin()
        assert wait(watch, SHORT) == (False, True)
        redis().client_kill_filter(_type="normal", skipme=True)
        watch.begin()
        assert wait(watch, SHORT) == (False, True)
    assert not redis_backend().breaker.is_open


def test_without_redis_nothing_is_waited_for_until_it_is_back(watch, wire):
    wire.probe_after(600)
    wire.cut = True
    watch.begin()
    assert wait(watch, LONG) == (True, False)
    wire.cut = False
    watch.begin()
    assert wait(watch, LONG) == (True, False), "the circuit is open"
    assert redis_backend().breaker.try_to_close()
    watch.begin()
    assert wait(watch, SHORT) == (False, True)


def test_nothing_is_waited_for_while_others_have_found_redis_away(watch, wire):
    wire.probe_after(600)
    wire.cut = True
    invalidate_pages()
    wire.cut = False
    watch.begin()
    assert wait(watch, LONG) == (True, False)
    assert redis_backend().breaker.try_to_close()


@contextmanager
def refusing() -> Iterator[None]:
    """Have Redis refuse to tell of changes."""
    redis().execute_command("ACL", "SETUSER", "default", "-client")
    try:
        yield
    finally:
        redis().execute_command("ACL", "SETUSER", "default", "+client")


def test_a_redis_that_refuses_to_tell_is_not_asked_again_and_used_as_before(watch, wire):
    with refusing():
        watch.begin()
        assert wait(watch, LONG) == (True, False)
        assert not redis_backend().breaker.is_open
        wire.sent.clear()
        watch.begin()
        assert wire.sent == []


def test_a_redis_that_refused_to_tell_is_asked_again_later(watch, monkeypatch, caplog):
    monkeypatch.setattr(watch_module, "REFUSED_SECONDS", 0)
    with refusing():
        for _ in range(2):
            watch.begin()
            assert wait(watch, LONG) == (True, False)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    watch.begin()
    assert wait(watch, SHORT) == (False, True)
