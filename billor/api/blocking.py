"""Calls that block: password hashing, SQLite, files. gevent cannot switch while one runs."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gevent
from gevent import monkey

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def in_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run `function` in a thread of gevent's pool where gevent serves requests."""

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not monkey.is_module_patched("threading"):
            return function(*args, **kwargs)
        # gevent would print an error that the caller is going to catch.
        result, error = gevent.get_hub().threadpool.apply(_attempt, (function, args, kwargs))
        if error is not None:
            raise error
        return result

    return run


def _attempt(function, args, kwargs):
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error
