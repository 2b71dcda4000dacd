"""Write the table of errors in docs/api.md from the catalogue of errors."""

import re
from pathlib import Path

from billor.errors import CODES

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
HEAD = "| status | code | message |\n|---|---|---|\n"


def error_table() -> str:
    """Return the rows in the order of their status."""
    rows = sorted(CODES.items(), key=lambda item: item[1].status)
    return "".join(f"| {entry.status} | `{code}` | {entry.detail} |\n" for code, entry in rows)


if __name__ == "__main__":
    table = re.compile(re.escape(HEAD) + r"(\|.*\n)*")
    text, count = table.subn(lambda _: HEAD + error_table(), PAGE.read_text())
    assert count == 1, f"{PAGE} has no table of errors"  # noqa: S101
    PAGE.write_text(text)
