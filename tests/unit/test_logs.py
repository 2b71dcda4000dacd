"""Log lines: foreign text can neither forge one nor control a terminal."""

import json
import logging
import re
from io import StringIO

import pytest

from billor.config import load_config
from billor.observe.context import read_traceparent, request_id
from billor.observe.logs import handler, init_logging

EVIL = "\x1b[2J\r\nforged\u2028\u202e"
SHOWN = r"\x1b[2J\r\nforged\u2028\u202e"
WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def log(config, settings, monkeypatch):
    """Log an error, as text or as JSON; return what was written."""

    def log(*arguments, logger="billor.test", form="text", **options) -> str:
        stream = StringIO()
        monkeypatch.setattr(handler, "stream", stream)
        init_logging(load_config(settings | {"LOG_FORMAT": form}))
        logging.getLogger(logger).error(*arguments, **options)
        return stream.getvalue()

    yield log
    monkeypatch.undo()
    init_logging(config)


def test_a_record_is_one_line_with_its_request_id(log):
    token = request_id.set("a-request")
    shown = re.escape(f"billor.test: To {SHOWN}.")
    assert re.fullmatch(f"{WHEN} ERROR   {shown} \\[a-request\\]\n", log("To %s.", EVIL))
    assert re.search(r"ERROR   a\.library: Retrying ", log("Retrying", logger="a.library"))
    request_id.reset(token)


def test_a_traceback_keeps_its_line_breaks_and_escapes_control_characters(log):
    try:
        raise ValueError(EVIL)
    except ValueError:
        first, second, *rest = log("Failed: %s", EVIL, exc_info=True).splitlines()
        record = json.loads(log("Failed", exc_info=True, form="json"))
    assert first.endswith(f"Failed: {SHOWN}")
    assert second == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in rest)
    assert record["traceback"].endswith(f"ValueError: {EVIL}")
    assert record.keys() == {"time", "level", "logger", "message", "traceback"}


@pytest.mark.parametrize(
    "given",
    [None, "", "nonsense", TRACEPARENT.replace("00-", "ff-", 1), f"00-{'0' * 32}-{SPAN}-01"],
)
def test_an_invalid_traceparent_is_ignored(given):
    assert read_traceparent(given) is None
    assert read_traceparent(TRACEPARENT) == TRACEPARENT
