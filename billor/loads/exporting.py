"""Export of loads as CSV (RFC 4180), page by page, in bounded memory and short transactions."""

import csv
from collections.abc import Iterator
from io import StringIO
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, current_app

from billor import deadlines
from billor.database import roll_back
from billor.errors import Unavailable
from billor.keyset import Position
from billor.loads.schemas import LoadSchema
from billor.loads.service import list_loads

PAGE_ROWS = 200
# Per process. Fewer than its database connections, so that exports cannot take all of them.
MAX_EXPORTS = 4

_running = BoundedSemaphore(MAX_EXPORTS)
_schema = LoadSchema(many=True)
COLUMNS = [field.data_key or name for name, field in _schema.dump_fields.items()]


def export_loads(**filters) -> Iterator[str]:
    """Return the loads that `list_loads` finds, newest first, as pieces of CSV text.

    Raises `Unavailable` `exports_busy` beyond `MAX_EXPORTS` in this process, and any error of the
    first page. No database connection is held between pieces. The client must take each piece
    within `PIECE_SECONDS`.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    pieces = _pieces(app, filters)
    next(pieces)
    return pieces


def _pieces(app: Flask, filters: dict[str, Any]) -> Iterator[str]:
    if not _running.acquire(blocking=False):
        raise Unavailable("exports_busy")
    try:
        rows, position = _next_rows(filters, None)
        yield ""  # taken by `export_loads`; from here on, closing the generator ends the export
        piece = ",".join(COLUMNS) + "\r\n" + rows
        while True:
            deadlines.extend_deadline(deadlines.PIECE_SECONDS)
            yield piece
            if position is None:
                return
            with app.app_context():
                piece, position = _next_rows(filters, position)
    finally:
        _running.release()


def _next_rows(filters: dict[str, Any], cursor: Position | None) -> tuple[str, Position | None]:
    page = list_loads(PAGE_ROWS, cursor=cursor, **filters)
    text = StringIO(newline="")
    csv.DictWriter(text, COLUMNS).writerows(_schema.dump(page.items))
    roll_back()
    return text.getvalue(), page.next_position
