"""Calls that block: password hashing, SQLite, files. gevent cannot switch while one runs."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gevent
from gevent import monkey
from gevent.util import wrap_errors

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def in_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run `function` in gevent's thread pool when gevent serves the request."""

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not monkey.is_module_patched("threading"):
            return function(*args, **kwargs)
        # gevent would print an exception raised in the thread, even if the caller catches it.
        attempt = wrap_errors(Exception, function)
        result = gevent.get_hub().threadpool.apply(attempt, args, kwargs)
        if isinstance(result, Exception):
            raise result
        return result

    return run
