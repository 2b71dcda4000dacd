"""Logging to standard error: lines for people, or an object a line for programs.

Each record tells its request. The handler is that of all loggers: libraries and gunicorn write in
the same format.
"""

import json
import logging
import sys
import time
from functools import cache, lru_cache
from typing import Any

from billor.config import Config
from billor.context import current_user, request_id, traceparent
from billor.traces.parent import trace_id

# https://www.ecma-international.org/publications-and-standards/standards/ecma-48/, section 8.3.117
COLOURS = {"DEBUG": 2, "INFO": 32, "WARNING": 33, "ERROR": 31, "CRITICAL": 35}
LEVEL_WIDTH = 7


def printable(text: str) -> str:
    """Escape non-printable characters: text must not control a terminal or forge lines."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def first_line(text: str) -> str:
    """Return the first line of an error, or nothing: those after it may have the values of rows."""
    return next(iter(text.strip().splitlines()), "")


class _TextFormatter(logging.Formatter):
    """Makes records printable; only a traceback has several lines."""

    def __init__(self, *, is_coloured: bool):
        super().__init__()
        form = f"\x1b[{{}}m{{:<{LEVEL_WIDTH}}}\x1b[0m" if is_coloured else f"{{1:<{LEVEL_WIDTH}}}"
        self._levels = {level: form.format(colour, level) for level, colour in COLOURS.items()}

    def format(self, record: logging.LogRecord) -> str:
        when = f"{_to_the_second(int(record.created))},{int(record.msecs):03}"
        level = self._levels.get(record.levelname, record.levelname)
        lines = [f"{record.name}: {record.getMessage()}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        current = request_id.get()
        told = "\n".join(map(printable, lines))
        return f"{when} {level} {told}" + (f" [{current}]" if current else "")


class _JsonFormatter(logging.Formatter):
    """Makes a record one line of JSON, in ASCII; what does not apply is left out.

    The fields of a message that is a named tuple are members, too.
    """

    def format(self, record: logging.LogRecord) -> str:
        user, parent = current_user.get(), traceparent.get()
        entry: dict[str, Any] = {
            "time": f"{_to_the_second_in_utc(int(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "trace_id": trace_id(parent) if parent else None,
            "user_id": user.id if user else None,
            **_fields(record.msg),
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        told = json.dumps({name: value for name, value in entry.items() if value is not None})
        return told.replace("\x7f", r"\u007f")  # the only control character that JSON leaves


def _fields(message: Any) -> dict[str, Any]:
    if not isinstance(message, tuple):
        return {}
    return {
        name: round(value, 1) if isinstance(value, float) else value
        for name, value in message._asdict().items()  # type: ignore[attr-defined]
    }


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@lru_cache(maxsize=1)
def _to_the_second_in_utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def init_logging(config: Config) -> None:
    """Send all records to standard error, Billor's from the configured level on. Idempotent."""
    if config.log_format == "json":
        formatter: logging.Formatter = _JsonFormatter()
    else:
        formatter = _TextFormatter(is_coloured=sys.stderr.isatty() and not config.no_color)
    # No format tells of these, and finding them out takes a third of a record's time. See
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _handler()
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    logging.getLogger("billor").setLevel(config.log_level)


@cache
def _handler() -> logging.Handler:
    return logging.StreamHandler(sys.stderr)
