"""Rendered pages in Redis, each stamped with its cache generation."""

from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from billor.cache.backend import GENERATION_KEY, TextRedisCache, redis_backend
from billor.cache.circuit_breaker import CircuitOpen


class CacheStatus(StrEnum):
    """Where a page came from; clients see it as `X-Cache`."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


class Lookup(NamedTuple):
    """The result of a read. After a MISS, pass it to `store` with the rendered page."""

    status: CacheStatus
    key: str
    text: str | None = None
    generation: str | None = None


class PageCache:
    """Pages stamped with the generation that was current before they were rendered.

    A write starts a new generation after its commit, and a page with another stamp is a MISS. So a
    slow reader cannot restore an outdated page, whatever Redis evicts. Stamp and page are one
    value, read together with the current generation: a HIT costs one round trip.
    """

    def __init__(self, name: str, timeout: int, backend: TextRedisCache | None):
        """`name` is the prefix of the keys, `timeout` the lifetime of a page in seconds."""
        self._name = name
        self._timeout = timeout
        self._backend = backend

    def read(self, key: str) -> Lookup:
        """Look up a page. Never raises: without Redis the status is BYPASS."""
        redis = self._backend
        if redis is None:
            return Lookup(CacheStatus.BYPASS, key)
        try:
            with redis.breaker.call():
                generation, stamped = redis.get_many(GENERATION_KEY, self._page_key(key))
                if generation is None:
                    generation = redis.first_generation()
        except CircuitOpen:
            return Lookup(CacheStatus.BYPASS, key)
        if stamped is not None:
            stamp, _, text = stamped.partition("\n")
            if stamp == generation:
                return Lookup(CacheStatus.HIT, key, text)
        return Lookup(CacheStatus.MISS, key, generation=generation)

    def store(self, lookup: Lookup, text: str) -> None:
        """Store a page that was rendered after `lookup`. Does nothing after a BYPASS."""
        redis = self._backend
        if redis is None or lookup.generation is None:
            return
        stamped = f"{lookup.generation}\n{text}"
        with suppress(CircuitOpen), redis.breaker.call():
            redis.set(self._page_key(lookup.key), stamped, timeout=self._timeout)

    def _page_key(self, key: str) -> str:
        return f"{self._name}:{key}"


def invalidate_pages() -> None:
    """Invalidate all cached pages. Call it after the commit and before the response.

    While Redis is unavailable, this is deferred until the circuit closes.
    """
    backend = redis_backend()
    while backend is not None:
        try:
            with backend.breaker.call():
                backend.start_generation()
                return
        except CircuitOpen:
            if backend.breaker.require_recovery():
                return


def load_pages() -> PageCache:
    """Return the current app's cache of pages of GET /loads.

    The name changes with their format: two versions share Redis in a release.
    """
    return PageCache("loads-3", timeout=60, backend=redis_backend())
