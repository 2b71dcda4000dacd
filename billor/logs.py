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


def init_logging(level: str) -> None:
    """Send Billor's records of this level and above to standard error. May be called again."""
    logger = logging.getLogger("billor")
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_RequestIdFormatter(FORMAT))
        logger.addHandler(handler)
