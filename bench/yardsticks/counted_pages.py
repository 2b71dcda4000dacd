"""Asks Billor for a cached page with and without counting it in turn, as a process of gunicorn.

Prints the microseconds of CPU of a page in each pair of rounds, with and without, as JSON.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402

from werkzeug.test import EnvironBuilder, run_wsgi_app  # noqa: E402

from bench.compare import PAGE  # noqa: E402
from billor.http import middleware, page_cache  # noqa: E402
from billor.metrics import measure  # noqa: E402
from wsgi import app  # noqa: E402

PAIRS, PAGES = 400, 100
AUTHORIZATION = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}


def ask() -> str:
    """Read the page; return whether it was cached."""
    environ = EnvironBuilder(PAGE, headers=AUTHORIZATION).get_environ()
    pieces, _, headers = run_wsgi_app(app, environ)
    b"".join(pieces)
    return headers["X-Cache"]


def microseconds() -> float:
    """Return what a page takes."""
    started = time.process_time()
    if {ask() for _ in range(PAGES)} != {"HIT"}:
        raise RuntimeError("not from the cache")
    measure()
    return (time.process_time() - started) / PAGES * 1e6


def count_nothing(*_: object) -> None:
    """Do nothing with what would be counted."""


counting = middleware.request_answered, page_cache.page_looked_up
both = {True: counting, False: (count_nothing, count_nothing)}
pairs = []
ask()  # which stores it
for number in range(PAIRS):
    pair = {}
    for counts in (number % 2 == 0, number % 2 == 1):
        middleware.request_answered, page_cache.page_looked_up = both[counts]
        pair[counts] = microseconds()
    pairs.append((pair[True], pair[False]))
print(json.dumps(pairs))
