"""Spans of SQL statements, with their text and without their values."""

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from billor.traces.spans import tracer

# In the info of a connection while it executes a statement.
_SPAN = "billor.span"


def trace_statements(engine: Engine) -> None:
    """Begin and end a span with each statement that the engine executes in a trace."""
    event.listen(engine, "before_cursor_execute", _begin)
    event.listen(engine, "after_cursor_execute", _end)
    event.listen(engine, "handle_error", _fail)


def _begin(connection: Connection, _cursor, statement: str, *_) -> None:
    connection.info[_SPAN] = tracer().statement(statement)


def _end(connection: Connection, *_) -> None:
    connection.info.pop(_SPAN).end()


def _fail(failure: ExceptionContext) -> None:
    span = failure.connection and failure.connection.info.pop(_SPAN, None)
    if span:
        span.fail(type(failure.original_exception).__name__)
        span.end()
