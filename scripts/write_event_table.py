"""Write the table of events in docs/api.md from the code."""

import re

from billor.api.fields import wire_name
from billor.events.event import AUDIT_TYPES, EventType
from scripts.launcher.launcher import PROJECT
from scripts.payloads import PAYLOADS

PAGE = PROJECT / "docs" / "api.md"
EVENTS = "| `type` | in the timeline and `/audit` | `payload` |\n|---|---|---|\n"


def event_table() -> str:
    """Return a row for each type."""
    names = {type_: AUDIT_TYPES[EventType(type_)] for type_ in PAYLOADS}
    return "".join(
        f"| `{type_}` | `{names[type_]}` | {', '.join(map(wire_name, payload))} |\n"
        for type_, payload in PAYLOADS.items()
    )


if __name__ == "__main__":
    before, after = PAGE.read_text().split(EVENTS)
    PAGE.write_text(before + EVENTS + event_table() + re.sub(r"\A(\|.*\n)*", "", after))
