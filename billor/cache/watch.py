"""Waiting for the next change of a load or a driver, of which Redis tells."""

import logging
import time

from redis.connection import Connection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from billor.cache.backend import GENERATION_KEY, TextRedisCache, ask, redis_call
from billor.cache.circuit_breaker import CircuitOpen
from billor.cache.clients import pool_of

logger = logging.getLogger(__name__)

# How long a Redis that refuses to tell is not asked again.
REFUSED_SECONDS = 60


class ChangeWatch:
    """Waits until the cache generation is replaced, which each change does. For one thread.

    Once a connection has read a key, Redis tells it of the key's next change, unasked (client-side
    caching, https://redis.io/docs/latest/develop/reference/client-side-caching/).
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._pool: ConnectionPool
        self._refused_until = 0.0

    def begin(self) -> None:
        """Have Redis tell of the next change. Needs an application context.

        It does not while it is unavailable or not configured, or if it refuses.
        """
        if time.monotonic() < self._refused_until:
            return
        is_kept = self._connection is not None
        try:
            with redis_call() as redis:
                try:
                    self._ask_to_be_told(redis)
                except RedisConnectionError:
                    if not is_kept:
                        raise
                    self._ask_to_be_told(redis)  # a restarted Redis had closed it
        except CircuitOpen:
            self._give_up()

    def wait(self, seconds: float) -> bool:
        """Wait for a change since `begin`, at most so long; return whether there may be one.

        Returns True at once if Redis does not tell of changes.
        """
        if self._connection is None:
            return True
        try:
            if not self._connection.can_read(seconds):
                return False
            self._connection.read_response(push_request=True)
        except RedisError:
            self._give_up()
        return True

    def _ask_to_be_told(self, redis: TextRedisCache) -> None:
        key = f"{redis.key_prefix}{GENERATION_KEY}"
        if self._connection is None:
            self._pool = pool_of(redis.client, key)
            self._connection = self._pool.get_connection()
        try:
            ask(self._connection, ("CLIENT", "TRACKING", "ON"))
            ask(self._connection, ("GET", key))
        except ResponseError as error:
            if not self._refused_until:
                logger.warning("Redis does not tell of changes, so we ask for them: %s", error)
            self._refused_until = time.monotonic() + REFUSED_SECONDS
            self._give_up()
        except RedisError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Close the connection: another one is not told of what this one has read."""
        if self._connection is not None:
            self._connection.disconnect()
            self._pool.release(self._connection)
            self._connection = None
