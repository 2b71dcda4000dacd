"""The `traceparent` header, as https://www.w3.org/TR/trace-context/ defines it."""

import pytest

from billor.traces.parent import parse, read_traceparent, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (VALID, VALID),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-03", VALID),  # the id is random, too: level 2
        (f"00-{TRACE}-{SPAN}-fe", f"00-{TRACE}-{SPAN}-00"),
        (f"01-{TRACE}-{SPAN}-01", VALID),
        (f"cc-{TRACE}-{SPAN}-01-what-is-new", VALID),
    ],
)
def test_a_traceparent_is_read_in_our_version(given, read):
    assert read_traceparent(given) == read
    assert str(parse(read)) == read
    assert trace_id(read) == TRACE


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "nonsense",
        f" {VALID}",
        f"{VALID}\n",
        f"{VALID},{VALID}",
        f"{VALID}-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[:-1]}\u0664-{SPAN}-01",
    ],
)
def test_what_is_no_traceparent_is_ignored(given):
    assert read_traceparent(given) is None
