"""Billor that counts nothing from `OFF` to `ON`: what metrics cost is the difference."""

import signal

from billor.http import middleware, page_cache
from wsgi import app  # noqa: F401

ON, OFF = signal.SIGUSR1, signal.SIGUSR2
counting = middleware.request_answered, page_cache.page_looked_up


def count_nothing(*_: object) -> None:
    """Do nothing with what would be counted."""


def switch(number: int, _frame: object) -> None:
    """Count from now on, or do not."""
    both = counting if number == ON else (count_nothing, count_nothing)
    middleware.request_answered, page_cache.page_looked_up = both


for each in (ON, OFF):
    signal.signal(each, switch)
