"""The figures as text, counted at most once in some seconds.

They are kept in Redis for all processes, and in each process for when Redis is away.
"""

import json
import time
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from flask import Flask, current_app

from billor.cache.backend import redis_call
from billor.cache.circuit_breaker import CircuitOpen
from billor.stats.schemas import StatsSchema
from billor.stats.service import count_all

KEPT_SECONDS = 15

_schema = StatsSchema()


class _Page(NamedTuple):
    made_at: float
    text: str

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.made_at + KEPT_SECONDS


class StatsPages:
    """The pages of one process, by time zone."""

    def __init__(self) -> None:
        self._counting = Lock()
        self._pages: dict[str, _Page] = {}

    def text(self, zone_name: str) -> str:
        """Return the figures as JSON. They are counted by one request at a time; others wait."""
        if page := self._kept(zone_name):
            return page.text
        with self._counting:
            page = self._kept(zone_name) or _from_redis(zone_name)
            if page is None:
                page = _Page(time.time(), json.dumps(_schema.dump(count_all(zone_name))))
                _to_redis(zone_name, page)
            self._pages = {name: old for name, old in self._pages.items() if old.is_fresh}
            self._pages[zone_name] = page
        return page.text

    def clear(self) -> None:
        """Forget the pages of this process."""
        self._pages = {}

    def _kept(self, zone_name: str) -> _Page | None:
        page = self._pages.get(zone_name)
        return page if page and page.is_fresh else None


def init_stats(app: Flask) -> None:
    """Give the app its pages."""
    app.extensions["stats"] = StatsPages()


def stats_text(zone_name: str) -> str:
    """Return the figures as JSON, at most `KEPT_SECONDS` old."""
    pages: StatsPages = current_app.extensions["stats"]
    return pages.text(zone_name)


def _from_redis(zone_name: str) -> _Page | None:
    with suppress(CircuitOpen), redis_call() as redis:
        if stored := redis.get(_key(zone_name)):
            made_at, _, text = stored.partition("\n")
            page = _Page(float(made_at), text)
            return page if page.is_fresh else None
    return None


def _to_redis(zone_name: str, page: _Page) -> None:
    with suppress(CircuitOpen), redis_call() as redis:
        redis.set(_key(zone_name), f"{page.made_at}\n{page.text}", timeout=KEPT_SECONDS)


def _key(zone_name: str) -> str:
    return f"stats-1:{zone_name}"
