"""Tables in Markdown."""

from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of these cells."""
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (headings, *rows))
    return "\n".join([head, "|" + "---|" * len(headings), *lines])
