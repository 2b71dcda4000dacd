"""Billor that counts no request and no page: what metrics cost is the difference."""

from billor.http import middleware, page_cache


def count_nothing(*_: object) -> None:
    """Do nothing with what would be counted."""


middleware.request_answered = count_nothing
page_cache.page_looked_up = count_nothing

from wsgi import app  # noqa: E402, F401 - after that
