"""Logging to standard error, as readable lines or as one JSON object per line."""

import io
import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime

from billor.config import Config, read_environment
from billor.observe.context import current_traceparent, current_user, request_id

logger = logging.getLogger(__name__)
handler = logging.StreamHandler(sys.stderr)


def printable(text: str) -> str:
    """Escape non-printable characters: text must not control a terminal or forge lines."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def first_line(text: str) -> str:
    """Return the first line of an error; the others may contain the values of rows."""
    return next(iter(text.strip().splitlines()), "")


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        lines = [f"{record.name}: {record.getMessage()}"]
        if record.name == "flask_migrate":  # a migration's reasons, which may be a list
            lines = lines[0].split("\n")
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        text = "\n".join(map(printable, lines))
        id_ = request_id.get()
        line = f"{self.formatTime(record)} {record.levelname:<7} {text}"
        return f"{line} [{id_}]" if id_ else line


class _JsonFormatter(logging.Formatter):
    """Omits empty fields. A record's arguments by name are fields, too."""

    def format(self, record: logging.LogRecord) -> str:
        user, trace = current_user.get(), current_traceparent()
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "trace_id": trace and trace.split("-")[1],
            "user_id": user and user.id,
            **(record.args if isinstance(record.args, dict) else {}),
            "traceback": record.exc_info and self.formatException(record.exc_info),
        }
        shown = {name: value for name, value in entry.items() if value is not None}
        return json.dumps(shown, default=str)


class _Printed(io.TextIOBase):
    """Standard error for libraries that print: each line becomes a record."""

    _line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in filter(str.strip, lines):
            logger.error("%s", line)
        return len(text)


def _of_flask_run(record: logging.LogRecord) -> bool:
    """Drop the lines of requests, which Billor logs, and the colours of others."""
    record.msg = " ".join(re.sub(r"\x1b\[\d+m", "", str(record.msg)).split())
    return '"%s" %s %s' not in record.msg


def init_logging(config: Config) -> None:
    """Send all logs to standard error, Billor's own from `log_level` up. Idempotent."""
    handler.setFormatter(_JsonFormatter() if config.log_format == "json" else _TextFormatter())
    logging.getLogger().addHandler(handler)
    logging.lastResort = handler  # for Google's loggers, which do not propagate
    logging.getLogger("billor").setLevel(config.log_level)
    logging.getLogger("werkzeug").addFilter(_of_flask_run)


def init_standard_error() -> None:
    """With LOG_FORMAT=json log what Python prints, also of wrong settings. Raises `ConfigError`."""
    if read_environment().get("LOG_FORMAT") != "json":
        return
    handler.setFormatter(_JsonFormatter())
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # of the handler, which would print them
    sys.stderr = _Printed()
    sys.excepthook = lambda *error: logger.critical("Uncaught exception", exc_info=error[1])
    threading.excepthook = lambda failed: logger.critical("Failed", exc_info=failed.exc_value)
