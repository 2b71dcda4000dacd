"""Cached texts in Redis that a write makes old all at once, and what to do while Redis is away."""

import logging
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock, Thread

from cachelib.serializers import BaseSerializer
from flask_caching.backends.rediscache import RedisCache
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from billor.extensions import cache

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.2
"""How long Redis may take to connect or answer before we go on without it."""
PROBE_SECONDS = 0.5
"""How long Redis is left alone after it failed, before it is asked whether it is back."""


def cache_config(redis_url: str | None) -> dict:
    """Flask-Caching's settings for a Redis at this URL; without one, every lookup is a bypass."""
    if redis_url is None:
        return {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
    return {
        "CACHE_TYPE": "billor.cache.TextRedisCache",
        "CACHE_REDIS_URL": redis_url,
        "CACHE_KEY_PREFIX": "billor:",
        "CACHE_OPTIONS": {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            # A pooled connection that a restarted Redis closed is opened anew; nothing else is
            # worth a second try.
            "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        },
    }


class TextSerializer(BaseSerializer):
    """UTF-8 text instead of pickles: what is read from Redis can never run as code."""

    def dumps(self, value: str) -> bytes:
        return value.encode()

    def loads(self, value: bytes | None) -> str | None:
        # What is not ours will not have our stamp either.
        return None if value is None else value.decode(errors="replace")


class TextRedisCache(RedisCache):
    """Flask-Caching's Redis backend for texts, with a breaker: after a failure Redis is left
    alone until a thread in the background has found it back, so that no request pays for an
    outage but those that discover it."""

    serializer = TextSerializer()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._lock = Lock()
        self._debts: set[Callable[[TextRedisCache], None]] = set()
        self.away = False

    @property
    def client(self) -> Redis:
        """The plain client, for what Flask-Caching has no method for."""
        return self._write_client

    def failed(self, error: RedisError) -> None:
        """Leave Redis alone from now on, until it is back."""
        with self._lock:
            if self.away:
                return
            self.away = True
        logger.warning("Redis is away, going on without it: %s", error)
        Thread(target=_probe, args=[weakref.ref(self)], name="redis-probe", daemon=True).start()

    def owe(self, payment: Callable[["TextRedisCache"], None]) -> bool:
        """Have this done before Redis is used again; False if it is back already."""
        with self._lock:
            if self.away:
                self._debts.add(payment)
            return self.away

    def try_to_return(self) -> bool:
        """Use Redis again if it answers, once everything owed to it is done."""
        try:
            self.client.ping()
            while (payment := self._next_debt()) is not None:
                try:
                    payment(self)
                except RedisError:
                    self.owe(payment)
                    raise
        except RedisError:
            return False
        logger.info("Redis is back")
        return True

    def _next_debt(self) -> Callable[["TextRedisCache"], None] | None:
        """Without one, Redis counts as back from this moment on."""
        with self._lock:
            self.away = bool(self._debts)
            return self._debts.pop() if self._debts else None


def _probe(reference: "weakref.ref[TextRedisCache]") -> None:
    """Ask until Redis is back, or nobody uses it any more."""
    backend: TextRedisCache | None = None
    while True:
        del backend
        time.sleep(PROBE_SECONDS)
        backend = reference()
        if backend is None or backend.try_to_return():
            return


class RedisAway(Exception):
    """Redis is not configured, failed just now, or fails right now."""


@contextmanager
def redis_backend() -> Iterator[TextRedisCache]:
    """Redis for the length of the block. Raises `RedisAway`, from inside the block too."""
    backend = cache.cache
    if not isinstance(backend, TextRedisCache) or backend.away:
        raise RedisAway
    try:
        yield backend
    except RedisError as error:
        backend.failed(error)
        raise RedisAway from error


class CacheStatus(StrEnum):
    """What a lookup met; shown to clients as `X-Cache`."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
class Lookup:
    """The answer to a read. After a MISS, hand it back to `store` with the text computed since."""

    status: CacheStatus
    key: str
    text: str | None = None
    generation: str | None = None


class GenerationCache:
    """Texts stamped with the generation that was current before they were computed.

    A write replaces the generation after its commit, and a text with another stamp counts as
    missing. So a slow reader cannot put an old text back, and since a generation is a random
    name and not a number, neither eviction nor a flushed Redis can make an old stamp current.

    Stamp and text are one value and are read together with the current generation, so that a
    hit costs one round trip.
    """

    def __init__(self, name: str, timeout: int):
        """`name` is what the keys begin with, `timeout` how many seconds a text may live."""
        self._name = name
        self._generation_key = f"{name}:generation"
        self._timeout = timeout

    def read(self, key: str) -> Lookup:
        """Look a text up. Never raises: with Redis away the answer is a BYPASS."""
        try:
            with redis_backend() as redis:
                generation, stamped = redis.get_many(self._generation_key, self._text_key(key))
                if generation is None:
                    generation = self._start_generation(redis)
        except RedisAway:
            return Lookup(CacheStatus.BYPASS, key)
        if stamped is not None:
            stamp, _, text = stamped.partition("\n")
            if stamp == generation:
                return Lookup(CacheStatus.HIT, key, text)
        return Lookup(CacheStatus.MISS, key, generation=generation)

    def store(self, lookup: Lookup, text: str) -> None:
        """Keep a text that was computed after `lookup`. Does nothing if that was a bypass."""
        if lookup.generation is None:
            return
        stamped = f"{lookup.generation}\n{text}"
        with suppress(RedisAway), redis_backend() as redis:
            redis.set(self._text_key(lookup.key), stamped, timeout=self._timeout)

    def invalidate(self) -> None:
        """Make every text old. To be called after a commit and before the writer is answered.

        If Redis is away, this process does it before it uses Redis again.
        """
        while True:
            try:
                with redis_backend() as redis:
                    self._replace_generation(redis)
            except RedisAway:
                if isinstance(cache.cache, TextRedisCache) and not cache.cache.owe(
                    self._replace_generation
                ):
                    continue  # it came back just now
            return

    def _text_key(self, key: str) -> str:
        return f"{self._name}:{key}"

    def _replace_generation(self, redis: TextRedisCache) -> None:
        redis.set(self._generation_key, uuid.uuid4().hex, timeout=0)

    def _start_generation(self, redis: TextRedisCache) -> str:
        candidate = uuid.uuid4().hex
        if redis.add(self._generation_key, candidate, timeout=0):
            return candidate
        return redis.get(self._generation_key) or candidate


load_pages = GenerationCache("loads", timeout=60)
"""Pages of GET /loads."""
