"""What may keep others waiting: calls that block, scarce slots, and clients that have left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial, wraps
from threading import Semaphore
from typing import ParamSpec, TypeVar

import gevent
from flask import Response, request
from gevent import monkey
from gevent.socket import wait_read
from gevent.util import wrap_errors

from billor.errors import Unavailable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

QUEUE_SECONDS = 20  # how long a request that must be answered waits for a slot
MAX_THREADS = 2  # of the pool's, for each function: it keeps no other waiting


def in_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run `function` in gevent's thread pool when gevent serves the request, twice at most."""
    threads = Semaphore(MAX_THREADS)

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not monkey.is_module_patched("threading"):
            return function(*args, **kwargs)
        # gevent would print an exception raised in the thread, even if the caller catches it, and
        # would run it without `current_app`.
        attempt = wrap_errors(Exception, partial(copy_context().run, function))
        with threads:
            result = gevent.get_hub().threadpool.apply(attempt, args, kwargs)
        if isinstance(result, Exception):
            raise result
        return result

    return run


@contextmanager
def slot(slots: Semaphore, code: str, seconds: float = 0) -> Iterator[None]:
    """Hold one of the slots in the block. Raises `Unavailable` `code` if none is free in time."""
    if not slots.acquire(timeout=seconds):
        raise Unavailable(code)
    try:
        yield
    finally:
        slots.release()


def call_on_disconnect(response: Response, callback: Callable[[], None]) -> None:
    """Call back once the client disconnects or sends more. gunicorn notices only when it writes."""
    if client := request.environ.get("gunicorn.socket"):

        def watch() -> None:
            wait_read(client.fileno())
            callback()

        response.call_on_close(gevent.spawn(watch).kill)
