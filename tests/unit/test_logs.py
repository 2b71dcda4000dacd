"""Log lines: foreign text can neither forge one nor control a terminal."""

import logging
import re
from io import StringIO

import pytest

from billor.context import request_id
from billor.logs import init_logging

EVIL = "\x1b[2J\r\nforged\u2028\u202e"
SHOWN = r"\x1b[2J\r\nforged\u2028\u202e"
START = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR   billor\.test: "


@pytest.fixture
def log(monkeypatch):
    """Log with a logger below Billor's; return the written lines."""
    init_logging("INFO")
    (handler,) = logging.getLogger("billor").handlers

    def log(*arguments, **options) -> list[str]:
        stream = StringIO()
        monkeypatch.setattr(handler, "stream", stream)
        logging.getLogger("billor.test").error(*arguments, **options)
        return stream.getvalue().split("\n")

    return log


def test_a_log_record_is_one_line_with_its_request_id(log):
    token = request_id.set("a-request")
    try:
        line, end = log("To %s.", EVIL)
    finally:
        request_id.reset(token)
    assert re.fullmatch(f"{START}{re.escape(f'To {SHOWN}.')} \\[a-request\\]", line)
    assert end == ""


def test_a_traceback_keeps_its_line_breaks_and_escapes_control_characters(log):
    try:
        raise ValueError(EVIL)
    except ValueError:
        first, second, *rest, _ = log("Failed: %s", EVIL, exc_info=True)
    assert re.fullmatch(START + re.escape(f"Failed: {SHOWN}"), first)
    assert second == "Traceback (most recent call last):"
    assert any(line.startswith("  File ") for line in rest)
    assert all(line.isprintable() for line in rest)
    assert "\x1b" not in "".join(rest)
    assert r"\x1b[2J" in "".join(rest)
