"""The cache of `GET /loads`: pages in Redis, looked up in front of Flask.

A page is stored with the generation that was current before it was rendered, and a page of another
generation is a MISS. Every write starts a new generation, after its commit and before its response.
So a slow reader cannot restore a stale page, whatever Redis evicts.

Without Redis all pages come from PostgreSQL (BYPASS). After a failed command other processes may
have missed a write, so this process starts a new generation before it reads again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty
from threading import Semaphore, Thread
from typing import Any, Literal, NamedTuple, cast
from wsgiref.types import StartResponse, WSGIEnvironment

from cachelib.serializers import RedisSerializer
from flask import Flask, current_app
from flask_caching import Cache
from flask_caching.backends.rediscache import RedisCache
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import RedisError
from redis.retry import Retry
from uuid_utils import uuid4
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_host

from billor.observe.context import current_route
from billor.observe.metrics import CACHE_PAGES

logger = logging.getLogger(__name__)
cache = Cache()

PATH = "/loads"
PREFIX = "billor:"
GENERATION_KEY = "generation"
TIMEOUT_SECONDS = 0.2
TURN_SECONDS = 20
PAUSE_SECONDS = 1.0  # between attempts after a failure
# The SET starts a generation if there is none. It also fails while a write could not start one, and
# no page may be read.
LOOK_UP = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('MGET', KEYS[1], KEYS[2])
"""
CACHE_ERROR = "billor.cache_error"  # in the environ: an error for the app to raise and render


class PlainSerializer(RedisSerializer):
    """Bytes as they are instead of pickles: data from Redis can never run as code."""

    def dumps(self, value: bytes, protocol: int = 0) -> bytes:
        return value

    def loads(self, value: bytes | None) -> bytes | None:
        return value


class BytesRedisCache(RedisCache):
    serializer = PlainSerializer()

    def look_up(self, key: str) -> list[bytes | None]:
        """Return the current generation and a page, in one round trip."""
        keys = [f"{self.key_prefix}{each}" for each in (GENERATION_KEY, key)]
        return self.client.eval(LOOK_UP, 2, *keys, uuid4().hex)

    @property
    def client(self) -> Redis:
        return self._write_client


class Lookup(NamedTuple):
    """The result of a read. After a MISS, pass it to `store` with the rendered page."""

    status: Literal["HIT", "MISS", "BYPASS"]
    key: str
    page: bytes | None = None
    generation: bytes | None = None


class RedisUnavailable(Exception):
    """A command failed, or was skipped because one failed a moment ago."""


class PageCache:
    """The cached pages of an app, and whether Redis is available to this process."""

    def __init__(self, redis: BytesRedisCache | None):
        self._redis = redis
        self._is_unavailable = False
        self._failures = 0

    def read(self, key: str) -> Lookup:
        """Look up a page, in one round trip. Without Redis the status is BYPASS."""
        try:
            with self._use_redis() as redis:
                generation, stamped = redis.look_up(key)
        except RedisUnavailable:
            return Lookup("BYPASS", key)
        stamp, _, page = (stamped or b"").partition(b"\n")
        if stamp and stamp == generation:
            return Lookup("HIT", key, page)
        return Lookup("MISS", key, generation=generation)

    def store(self, lookup: Lookup, page: bytes) -> None:
        """Store a page that was rendered after `lookup`. Does nothing after a BYPASS."""
        if lookup.generation is not None:
            with suppress(RedisUnavailable), self._use_redis() as redis:
                redis.set(lookup.key, lookup.generation + b"\n" + page, timeout=60)

    def shared_text(self, key: str, seconds: int, make: Callable[[], str]) -> str:
        """Return a text made by any process in the last `seconds`, or make it."""
        with suppress(RedisUnavailable), self._use_redis() as redis:
            if (text := redis.get(key)) is not None:
                return text.decode()
        text = make()
        with suppress(RedisUnavailable), self._use_redis() as redis:
            redis.set(key, text.encode(), timeout=seconds)
        return text

    def count(self, key: str, seconds: int) -> int | None:
        """Count a use of a key, kept for some seconds; return how many. None without Redis."""
        with suppress(RedisUnavailable), self._use_redis() as redis:
            counting = redis.client.pipeline()
            counting.incr(f"{PREFIX}{key}")
            counting.expire(f"{PREFIX}{key}", seconds)
            return counting.execute()[0]
        return None

    def invalidate(self) -> None:
        """Start a generation, by a random name that is never reused.

        Call it after the commit and before the response. Tries it even after a failure: other
        processes may be reading.
        """
        with suppress(RedisUnavailable), self._use_redis(is_write=True) as redis:
            failures = self._failures
            redis.set(GENERATION_KEY, uuid4().hex.encode(), timeout=0)
            if self._is_unavailable and failures == self._failures:
                redis.look_up(GENERATION_KEY)  # which may be refused still
                self._is_unavailable = False
                logger.info("Redis is back")

    @contextmanager
    def _use_redis(self, *, is_write: bool = False) -> Iterator[BytesRedisCache]:
        """Use Redis in the block. Raises `RedisUnavailable`, and maps the errors of the block."""
        if self._redis is None or (self._is_unavailable and not is_write):
            raise RedisUnavailable
        try:
            yield self._redis
        except RedisError as error:
            # An empty connection pool is not an outage, but a missed write must be repaired.
            if is_write or not isinstance(error.__context__, Empty):
                self._note_failure(error)
            raise RedisUnavailable from error

    def _note_failure(self, error: RedisError) -> None:
        self._failures += 1
        if not self._is_unavailable:
            self._is_unavailable = True
            logger.warning("Redis is away or refuses, going on without it: %s", error)
            Thread(target=self._retry, name="redis", daemon=True).start()

    def _retry(self) -> None:
        """Start a generation as soon as Redis takes it, which ends the outage."""
        time.sleep(PAUSE_SECONDS)
        while self._is_unavailable:  # else a write has ended it
            self.invalidate()
            time.sleep(PAUSE_SECONDS)


def init_cache(app: Flask) -> None:
    """Connect the app to Redis, if REDIS_URL is set."""
    app.extensions["pages"] = PageCache(None)
    if (url := app.config["BILLOR"].redis_url) is None:
        return
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=16,
        timeout=10,  # how long a request waits for a connection in a burst
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        # No retries: a late first attempt of a SET could restore an old generation.
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=_connected,
    )
    settings = {"CACHE_TYPE": "billor.cache.BytesRedisCache", "CACHE_KEY_PREFIX": PREFIX}
    cache.init_app(app, settings | {"CACHE_REDIS_HOST": Redis(connection_pool=pool)})
    with app.app_context():
        app.extensions["pages"] = PageCache(cast(BytesRedisCache, cache.cache))


def _connected(connection: AbstractConnection) -> None:
    """Start a generation: this Redis may have restored a snapshot, or be a replica that lagged."""
    connection.on_connect()
    connection.send_command("SET", f"{PREFIX}{GENERATION_KEY}", uuid4().hex)
    connection.read_response()


def redis_answers() -> bool:
    """Return whether Redis is available, for health checks."""
    return current_app.extensions["pages"].read("health").status != "BYPASS"


class CachedPages:
    """WSGI middleware that serves `PATH` from the cache, and stores the app's responses.

    In front of Flask it serves 1.6 times as many hits as a view would. To debug a page, look at its
    `X-Cache` and at `redis-cli keys 'billor:*'`.
    """

    def __init__(self, app: Flask, authorise: Callable[..., object]):
        """`authorise` takes an endpoint and an environ, and raises if the user may not use it."""
        self._wsgi_app, self._authorise = app.wsgi_app, authorise
        self._pages, self._config = app.extensions["pages"], app.config
        self._endpoint, _ = app.url_map.bind("").match(PATH)
        self._turns = Semaphore(app.config["BILLOR"].database_pool_size // 2)  # half for writes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request. The app renders the errors."""
        path = "/" + environ["PATH_INFO"].lstrip("/")  # as Werkzeug reads it
        if path != PATH or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._wsgi_app(environ, start_response)
        current_route.set(path)
        try:
            key = _page_key(environ, self._config)
            self._authorise(self._endpoint, environ)
        except Exception as error:
            environ[CACHE_ERROR] = error
            return self._wsgi_app(environ, start_response)
        lookup = self._pages.read(key)
        if lookup.page is None:
            with turn(self._turns):  # of a burst, the first request renders the page
                lookup = self._pages.read(lookup.key)
                if lookup.page is None:
                    return self._render(environ, lookup)(environ, start_response)
        CACHE_PAGES.labels(lookup.status).inc()
        head, _, body = lookup.page.partition(b"\n\n")
        fields = (line.partition(": ") for line in head.decode("latin-1").split("\n"))
        headers = [(name, value) for name, _, value in fields]
        start_response("200 OK", [*headers, ("X-Cache", lookup.status)])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _render(self, environ: WSGIEnvironment, lookup: Lookup) -> Response:
        """Let the app render the page, and store it."""
        CACHE_PAGES.labels(lookup.status).inc()
        as_get = {**environ, "REQUEST_METHOD": "GET"}
        response = Response.from_app(self._wsgi_app, as_get, buffered=True)
        if response.status_code == 200:
            head = "\n".join(f"{name}: {value}" for name, value in response.headers)
            self._pages.store(lookup, f"{head}\n\n".encode("latin-1") + response.get_data())
            response.headers["X-Cache"] = lookup.status
        return response


@contextmanager
def turn(semaphore: Semaphore) -> Iterator[None]:
    """Hold the semaphore in the block, or go ahead without it after `TURN_SECONDS`."""
    has_turn = semaphore.acquire(timeout=TURN_SECONDS)
    try:
        yield
    finally:
        if has_turn:
            semaphore.release()


def _page_key(environ: WSGIEnvironment, config: Mapping[str, Any]) -> str:
    """Return what a page depends on: its URL, also in its `Link`, CORS origin and forms."""
    host = get_host(environ, config["TRUSTED_HOSTS"])
    prefix = environ.get("SCRIPT_NAME", "")
    address = f"{environ['wsgi.url_scheme']}://{host}{prefix}{environ['PATH_INFO']}"
    # Two releases may share a Redis, and their pages may differ.
    origin, query = environ.get("HTTP_ORIGIN", ""), environ.get("QUERY_STRING", "")
    form = environ.get("HTTP_ACCEPT", "") + environ.get("HTTP_ACCEPT_ENCODING", "")
    return f"{config['API_VERSION']}:{origin}:{address}?{query} {form}".rstrip()
