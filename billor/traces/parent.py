"""The `traceparent`: a trace, and the span of it under which more is done.

See https://www.w3.org/TR/trace-context/#traceparent-header.
"""

import re
from typing import NamedTuple

VERSION = "00"
_FORM = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
SAMPLED = 0x01


class Parent(NamedTuple):
    """What a `traceparent` says."""

    trace_id: int
    span_id: int
    is_sampled: bool

    def __str__(self) -> str:
        return f"{VERSION}-{self.trace_id:032x}-{self.span_id:016x}-{self.is_sampled:02x}"


def read_traceparent(text: str | None) -> str | None:
    """Return what somebody sent as a `traceparent`, in our version; None if it is none.

    Later versions may append to it. Of its flags we know whether the trace is sampled.
    """
    match = _FORM.fullmatch(text or "")
    if match is None or (match[1] == VERSION and match[5]):
        return None
    return f"{VERSION}-{match[2]}-{match[3]}-{int(match[4], 16) & SAMPLED:02x}"


def parse(traceparent: str) -> Parent:
    """Return what a `traceparent` of ours says."""
    _, trace_id, span_id, flags = traceparent.split("-")
    return Parent(int(trace_id, 16), int(span_id, 16), flags == "01")


def trace_id(traceparent: str) -> str:
    """Return the id of the trace, in 32 hexadecimal digits."""
    return traceparent[3:35]
