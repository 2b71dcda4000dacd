"""Calls that block: password hashing, SQLite, files. gevent cannot switch while one runs.

And one that never blocks, for which gevent need not switch: whether something can be read.
"""

import select
import socket
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import gevent
from gevent import monkey

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def start_in_thread(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Callable[[], Result]:
    """Start a call in a thread of gevent's pool, where gevent serves requests.

    Return a function that waits for its result. Everywhere else that one makes the call.
    """
    if not monkey.is_module_patched("threading"):
        return partial(function, *args, **kwargs)
    call = gevent.get_hub().threadpool.spawn(_attempt, function, args, kwargs)

    def wait() -> Result:
        result, error = call.get()
        if error is not None:
            raise error
        return result

    return wait


def in_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make `function` one that runs in another thread, as `start_in_thread` does."""

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return start_in_thread(function, *args, **kwargs)()

    return run


def _attempt(function: Callable, args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
    """Call a function; return what it returns and what it raises, which gevent would print."""
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error


def has_data(file: int) -> bool:
    """Return whether something can be read from a file descriptor at once."""
    poll = monkey.get_original("select", "poll")()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


def has_left(connection: socket.socket) -> bool:
    """Return whether the other side has closed the connection, and all that it sent was read."""
    try:
        return has_data(connection.fileno()) and not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
