"""Logging to standard error: one line per record, with the request id."""

import logging
import sys

from billor.context import request_id

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def printable(text: str) -> str:
    """Escape non-printable characters: text must not control a terminal or forge lines."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class _Formatter(logging.Formatter):
    """Makes records printable; only a traceback has several lines."""

    def format(self, record: logging.LogRecord) -> str:
        record.message, record.asctime = record.getMessage(), self.formatTime(record)
        lines = [self.formatMessage(record)]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        current = request_id.get()
        return "\n".join(map(printable, lines)) + (f" [{current}]" if current else "")


def init_logging(level: str) -> None:
    """Send Billor's records of this level and above to standard error. Idempotent."""
    logger = logging.getLogger("billor")
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Formatter(FORMAT))
        logger.addHandler(handler)
