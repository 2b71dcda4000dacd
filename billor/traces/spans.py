"""Spans that are not exported, until their callers use `billor.traces`.

The parent of each step is a `traceparent`, so that a step may follow one in another process.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from typing import Literal

from billor.context import traceparent

Attributes = Mapping[str, str | int]


class Span:
    """A step that is not exported. In a `with` block it is the current one, and ends with it."""

    _token: Token[str | None]

    def __init__(self, parent: str | None):
        self.traceparent = parent
        """For what is done within it."""

    def answered(self, route: str | None, scheme: str, status: int) -> None:
        """Tell of the answer to a request, and of the rule that its path matched."""

    def fail(self, error: str) -> None:
        """Tell that it failed: the name of an error, without text of others."""

    def end(self) -> None:
        """End it."""

    def __enter__(self) -> "Span":
        self._token = traceparent.set(self.traceparent)
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_) -> None:
        traceparent.reset(self._token)
        if error_type is not None:
            self.fail(error_type.__name__)
        self.end()


class Tracer:
    """Begins spans that are not exported."""

    def request(self, method: str) -> Span:
        """Begin the span of a request, which goes on with the current trace or starts one."""
        return Span(traceparent.get())

    def transaction(self) -> Span:
        """Begin the span of a transaction, in the current trace."""
        return Span(traceparent.get())

    def statement(self, statement: str) -> Span:
        """Begin the span of an SQL statement, in the current trace."""
        return Span(traceparent.get())

    def message(
        self, operation: Literal["publish", "process"], event_id: str | None, parent: str | None
    ) -> Span:
        """Begin the span of what is done with a message, which may be of no event."""
        return Span(parent)

    def notification(self, event_id: str, parent: str | None) -> Span:
        """Begin the span of telling a driver of an event."""
        return Span(parent)

    def document(self, event_id: str, parent: str | None) -> Span:
        """Begin the span of storing the audit document of an event."""
        return Span(parent)

    def stop(self) -> None:
        """Export what was not, within a second."""


_tracer = Tracer()


def tracer() -> Tracer:
    """Return what begins spans in this process."""
    return _tracer


@contextmanager
def ended(spans: Iterable[Span]) -> Iterator[None]:
    """End all spans with the block; if it raises, all have failed."""
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.fail(type(error).__name__)
        raise
    finally:
        for span in spans:
            span.end()
