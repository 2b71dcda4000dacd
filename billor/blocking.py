"""Calls that block: password hashing, SQLite, files. gevent cannot switch while one runs.

And one that never blocks, for which gevent need not switch: whether something can be read.
"""

import select
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gevent
from gevent import monkey

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def in_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run `function` in a thread of gevent's pool, where gevent serves requests.

    Everywhere else it runs in the caller's thread.
    """

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not monkey.is_module_patched("threading"):
            return function(*args, **kwargs)
        result, error = gevent.get_hub().threadpool.apply(attempt, (args, kwargs))
        if error is not None:
            raise error
        return result

    # gevent would also print what is raised in a thread.
    def attempt(args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error

    return run


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
