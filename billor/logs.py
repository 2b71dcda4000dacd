"""Logging to standard error: one line per record, with the request id."""

import logging
import sys
import time
from functools import lru_cache

from billor.context import request_id


def printable(text: str) -> str:
    """Escape non-printable characters: text must not control a terminal or forge lines."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class _Formatter(logging.Formatter):
    """Makes records printable; only a traceback has several lines."""

    def format(self, record: logging.LogRecord) -> str:
        when = f"{_to_the_second(int(record.created))},{int(record.msecs):03}"
        lines = [f"{when} {record.levelname:<7} {record.name}: {record.getMessage()}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        current = request_id.get()
        return "\n".join(map(printable, lines)) + (f" [{current}]" if current else "")


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def init_logging(level: str) -> None:
    """Send Billor's records of this level and above to standard error. Idempotent."""
    logger = logging.getLogger("billor")
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Formatter())
        logger.addHandler(handler)
