"""Export of loads as CSV (RFC 4180), page by page, in bounded memory and short transactions.

Each load comes with its last assignment, which is the active one if there is one.
"""

import csv
import re
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, current_app

from billor.database import roll_back
from billor.database.keyset import Position
from billor.errors import Unavailable
from billor.loads.last_assignments import last_assignments
from billor.loads.lists import list_loads
from billor.loads.schemas import LastAssignmentSchema, LoadSchema

PAGE_ROWS = 200
# Per process. Fewer than its database connections, so that exports cannot take all of them.
MAX_EXPORTS = 4

_running = BoundedSemaphore(MAX_EXPORTS)
_schema = LoadSchema(many=True)
_assignment_schema = LastAssignmentSchema()
COLUMNS = [
    field.data_key or name
    for schema in (_schema, _assignment_schema)
    for name, field in schema.dump_fields.items()
]
# With these a spreadsheet begins a formula:
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")


def export_loads(*, bom: bool = False, spreadsheet: bool = False, **filters: Any) -> Iterator[str]:
    """Return the loads that `list_loads` finds, in its order, as pieces of CSV text.

    `bom` begins with a byte order mark, by which Excel knows UTF-8. `spreadsheet` puts a single
    quote before what would be a formula.

    Raises `Unavailable` `exports_busy` beyond `MAX_EXPORTS` in this process, and any error of the
    first page. No database connection is held between pieces.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    pieces = _pieces(app, partial(_next_rows, filters, spreadsheet), "\ufeff" if bom else "")
    next(pieces)
    return pieces


def _pieces(
    app: Flask, next_rows: Callable[[Position | None], tuple[str, Position | None]], mark: str
) -> Iterator[str]:
    if not _running.acquire(blocking=False):
        raise Unavailable("exports_busy")
    try:
        rows, position = next_rows(None)
        yield ""  # taken by `export_loads`; from here on, closing the generator ends the export
        piece = f"{mark}{','.join(COLUMNS)}\r\n{rows}"
        while True:
            yield piece
            if position is None:
                return
            with app.app_context():
                piece, position = next_rows(position)
    finally:
        _running.release()


def _next_rows(
    filters: dict[str, Any], spreadsheet: bool, cursor: Position | None
) -> tuple[str, Position | None]:
    page = list_loads(PAGE_ROWS, cursor=cursor, **filters)
    assignments = last_assignments([load.id for load in page.items])
    rows = [
        shown | _assignment_schema.dump(assignments.get(shown["id"], {}))
        for shown in _schema.dump(page.items)
    ]
    if spreadsheet:
        rows = [{name: _without_formula(cell) for name, cell in row.items()} for row in rows]
    text = StringIO(newline="")
    csv.DictWriter(text, COLUMNS).writerows(rows)
    roll_back()
    return text.getvalue(), page.next_position


def _without_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell
