"""Flask-Caching's Redis backend, for text and with a circuit breaker."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from cachelib.serializers import RedisSerializer
from flask_caching.backends.rediscache import RedisCache
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface, ConnectionPool
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    ClusterDownError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from uuid_utils import uuid4

from billor.cache.circuit_breaker import CircuitBreaker, CircuitOpen
from billor.cache.clients import is_cluster, make_client
from billor.extensions import cache

# How long Redis may take to connect or to answer before the circuit opens.
TIMEOUT_SECONDS = 0.2
GENERATION_KEY = "generation"
# What a cluster says to a client that does not know that it is one.
FROM_CLUSTERS = (AskError, ClusterCrossSlotError)


def cache_config(redis_url: str | None) -> dict:
    """Return Flask-Caching's settings for Redis at this URL; None disables caching."""
    if redis_url is None:
        return {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
    return {
        "CACHE_TYPE": "billor.cache.backend.TextRedisCache",
        "CACHE_REDIS_HOST": make_client(
            redis_url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # One retry, for a pooled connection that a restarted Redis has closed.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        ),
        # A cluster hashes only what is in braces: keys that are read together must share a slot.
        "CACHE_KEY_PREFIX": "{billor}:" if is_cluster(redis_url) else "billor:",
    }


class TextSerializer(RedisSerializer):
    """UTF-8 text instead of pickles: data from Redis can never run as code."""

    def dumps(self, value: str, protocol: int = 0) -> bytes:
        return value.encode()

    def loads(self, value: bytes | None) -> str | None:
        return None if value is None else value.decode(errors="replace")


class TextRedisCache(RedisCache):
    """Redis behind a circuit breaker.

    All cached text belongs to a generation. Closing the circuit starts a new one, since
    invalidations were missed while it was open.
    """

    serializer = TextSerializer()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.breaker = CircuitBreaker("Redis", self._recover, RedisError, _refusal)
        self._idle: list[ConnectionInterface] = []

    @property
    def client(self) -> Redis:
        """The plain client, for what Flask-Caching has no method for."""
        return self._write_client

    def get_many(self, *keys: str) -> list[str | None]:
        """Read several texts in one round trip."""
        values = self._execute("MGET", *(f"{self.key_prefix}{key}" for key in keys))
        return [self.serializer.loads(value) for value in values]

    def start_generation(self) -> None:
        """Invalidate all cached text. A generation is a random name, so none is ever reused."""
        self._execute("SET", f"{self.key_prefix}{GENERATION_KEY}", uuid4().hex)

    def _execute(self, *command: str) -> Any:
        """Run a command that may be repeated, over a connection of redis-py and past its client.

        Client and pool take six times the CPU time of the connection. They stay where they do more
        than keep connections.
        """
        pool = self.client.connection_pool
        if type(pool) is not ConnectionPool:
            return self.client.execute_command(*command)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = pool.get_connection()  # which closes it with the client
        try:
            return ask(connection, command)
        except RedisConnectionError:  # a restarted Redis has closed it
            return ask(connection, command)
        finally:
            self._idle.append(connection)

    def _recover(self) -> None:
        """Start a generation, with all that reading and storing pages needs, too."""
        self.start_generation()
        self.get_many(GENERATION_KEY, "probe")

    def first_generation(self) -> str:
        """Start a generation if there is none; return the current one. Safe for concurrent use."""
        candidate = uuid4().hex
        if self.add(GENERATION_KEY, candidate, timeout=0):
            return candidate
        return self.get(GENERATION_KEY) or candidate


def _refusal(error: Exception) -> str | None:
    """Return what a Redis that is there says to us, or None if it is away.

    While a cluster elects a new master, it is away.
    """
    if isinstance(error, FROM_CLUSTERS):
        return f"{error} (is it a cluster? Then REDIS_URL starts with redis+cluster://)"
    if isinstance(error, ClusterDownError | TryAgainError):
        return None
    is_refusal = isinstance(error, ResponseError | AuthenticationError | AuthorizationError)
    return str(error) if is_refusal else None


def redis_backend() -> TextRedisCache | None:
    """Return the app's backend, or None if Redis is not configured."""
    backend: Any = cache.cache
    return backend if isinstance(backend, TextRedisCache) else None


def ask(connection: ConnectionInterface, command: Iterable[str]) -> Any:
    """Send a command and return the answer. Connects first, also after an error."""
    connection.send_command(*command)
    return connection.read_response()


@contextmanager
def redis_call() -> Iterator[TextRedisCache]:
    """Use Redis in the block. Raises `CircuitOpen` while it is unavailable or not configured."""
    backend = redis_backend()
    if backend is None:
        raise CircuitOpen
    with backend.breaker.call():
        yield backend
