"""Rendered pages in Redis, each stamped with the cache generation it was made in."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from billor.cache.backend import GENERATION_KEY, redis_backend, redis_call
from billor.cache.circuit_breaker import CircuitOpen


class CacheStatus(StrEnum):
    """Where a page came from; clients see it as `X-Cache`."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
class Lookup:
    """The answer to a read. After a MISS, give it to `store` with the page rendered since."""

    status: CacheStatus
    key: str
    text: str | None = None
    generation: str | None = None


class PageCache:
    """Pages stamped with the generation that was current before they were rendered.

    A write replaces the generation after its commit, and a page with another stamp is a MISS. So
    a slow reader cannot put an old page back, whatever Redis evicts. Stamp and page are one value,
    read together with the current generation: a HIT costs one round trip.
    """

    def __init__(self, name: str, timeout: int):
        """`name` is what the keys begin with, `timeout` how many seconds a page may live."""
        self._name = name
        self._timeout = timeout

    def read(self, key: str) -> Lookup:
        """Look a page up. Never raises: without Redis it is a BYPASS."""
        try:
            with redis_call() as redis:
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
        """Keep a page that was rendered after `lookup`. Does nothing after a BYPASS."""
        if lookup.generation is None:
            return
        stamped = f"{lookup.generation}\n{text}"
        with suppress(CircuitOpen), redis_call() as redis:
            redis.set(self._page_key(lookup.key), stamped, timeout=self._timeout)

    def _page_key(self, key: str) -> str:
        return f"{self._name}:{key}"


def invalidate_pages() -> None:
    """Make every cached page old. Call it after the commit and before the answer.

    Without Redis it is done before this process uses Redis again.
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


load_pages = PageCache("loads", timeout=60)
"""Pages of GET /loads."""
