"""Log lines: foreign text can neither forge one nor control a terminal."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import NamedTuple

import pytest

from billor.config import load_config
from billor.context import CurrentUser, current_user, request_id, traceparent
from billor.logs import _handler, init_logging
from billor.roles import Role

EVIL = "\x1b[2J\r\nforged\u2028\u202e"
SHOWN = r"\x1b[2J\r\nforged\u2028\u202e"
WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
START = rf"{WHEN} ERROR   billor\.test: "
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
USER = CurrentUser(7, "Dana", Role.ADMIN, driver_id=None, epoch=0, session_id=None)


class Told(NamedTuple):
    """A message with fields."""

    to: str
    status: int
    route: str | None
    duration_ms: float

    def __str__(self) -> str:
        return f"To {self.to}."


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(config, settings, monkeypatch):
    """Log an error below Billor's logger, or below another's; return the written lines."""

    def log(*arguments, stream=None, logger="billor.test", variables=(), **options) -> list[str]:
        stream = stream or StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setattr(_handler(), "stream", stream)
        init_logging(load_config(settings | dict(variables)))
        logging.getLogger(logger).error(*arguments, **options)
        return stream.getvalue().split("\n")

    yield log
    monkeypatch.undo()
    init_logging(config)


@pytest.fixture
def log_json(log):
    """Log an error as JSON; return its members."""

    def log_json(*arguments, **options) -> dict:
        line, end = log(*arguments, variables={"LOG_FORMAT": "json"}, **options)
        assert end == ""
        assert line.isprintable()
        assert line.isascii()
        return json.loads(line)

    return log_json


@pytest.fixture
def in_a_request():
    """A request of a user, in a trace."""
    tokens = {
        request_id: request_id.set("a-request"),
        traceparent: traceparent.set(f"00-{TRACE}-00f067aa0ba902b7-01"),
        current_user: current_user.set(USER),
    }
    yield
    for variable, token in tokens.items():
        variable.reset(token)


@pytest.mark.usefixtures("in_a_request")
def test_a_log_record_is_one_line_with_its_request_id(log):
    line, end = log("To %s.", EVIL)
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


def test_lines_of_libraries_have_the_same_format(log):
    line, _ = log("Retrying", logger="a.library")
    assert re.fullmatch(rf"{WHEN} ERROR   a\.library: Retrying", line)


def test_a_terminal_shows_the_level_in_colour_and_nothing_else(log):
    line, _ = log("Failed: %s", EVIL, stream=Terminal())
    assert re.fullmatch(
        rf"{WHEN} \x1b\[31mERROR  \x1b\[0m {re.escape(f'billor.test: Failed: {SHOWN}')}", line
    )


@pytest.mark.parametrize(
    ("stream", "variables"), [(StringIO, {}), (Terminal, {"NO_COLOR": "1"})], ids=["file", "unset"]
)
def test_there_are_no_colours_in_a_file_or_with_no_color(log, stream, variables):
    line, _ = log("Failed", stream=stream(), variables=variables)
    assert re.fullmatch(f"{START}Failed", line)


@pytest.mark.usefixtures("in_a_request")
def test_a_record_as_json_tells_its_request_trace_and_user(log_json):
    record = log_json(Told(EVIL + "\x7f", status=200, route=None, duration_ms=0.1234))
    time = datetime.fromisoformat(record.pop("time"))
    assert timedelta(0) <= datetime.now(UTC) - time < timedelta(minutes=1)
    assert record == {
        "level": "ERROR",
        "logger": "billor.test",
        "message": f"To {EVIL}\x7f.",
        "request_id": "a-request",
        "trace_id": TRACE,
        "user_id": 7,
        "to": f"{EVIL}\x7f",
        "status": 200,
        "duration_ms": 0.1,
    }


def test_a_record_as_json_has_its_traceback_in_one_member(log_json):
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = log_json("Failed", exc_info=True, stream=Terminal())
    assert record["traceback"].startswith("Traceback (most recent call last):\n  File ")
    assert record["traceback"].endswith(f"ValueError: {EVIL}")
    assert record.keys() == {"time", "level", "logger", "message", "traceback"}
