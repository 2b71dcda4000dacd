"""Write the tables of errors and of events in docs/api.md from the code."""

import re
from pathlib import Path

from billor.api.fields import wire_name
from billor.errors import CODES
from billor.events.event import AUDIT_TYPES, EventType
from scripts.payloads import PAYLOADS

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
ERRORS = "| status | code | message |\n|---|---|---|\n"
EVENTS = "| `type` | in the timeline and `/audit` | `payload` |\n|---|---|---|\n"


def error_table() -> str:
    """Return the rows in the order of their status."""
    rows = sorted(CODES.items(), key=lambda item: item[1].status)
    return "".join(f"| {entry.status} | `{code}` | {entry.detail} |\n" for code, entry in rows)


def event_table() -> str:
    """Return a row for each type."""
    names = {type_: AUDIT_TYPES[EventType(type_)] for type_ in PAYLOADS}
    return "".join(
        f"| `{type_}` | `{names[type_]}` | {', '.join(map(wire_name, payload))} |\n"
        for type_, payload in PAYLOADS.items()
    )


if __name__ == "__main__":
    text = PAGE.read_text()
    for head, rows in ((ERRORS, error_table()), (EVENTS, event_table())):
        assert text.count(head) == 1, f"{PAGE} has no table {head}"  # noqa: S101
        before, after = text.split(head)
        text = before + head + rows + re.sub(r"\A(\|.*\n)*", "", after)
    PAGE.write_text(text)
