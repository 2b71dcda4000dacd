"""Logging: one line a record, to standard error, with the id of the request it belongs to."""

import logging
import sys

from billor.context import request_id

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _RequestIdFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        current = request_id.get()
        return f"{line} [{current}]" if current else line


def printable(text: str) -> str:
    """What others wrote, unable to steer a terminal or to look like more than one line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def init_logging(level: str) -> None:
    """Send Billor's records of this level and above to standard error. May be called again."""
    logger = logging.getLogger("billor")
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_RequestIdFormatter(FORMAT))
        logger.addHandler(handler)
