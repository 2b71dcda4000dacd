"""Loads as CSV (RFC 4180), page by page: memory and transactions do not grow with their number."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from flask import Flask, current_app

from billor.database import roll_back
from billor.loads.schemas import LoadSchema
from billor.loads.service import list_loads
from billor.pagination import Position

PAGE_ROWS = 1000

_schema = LoadSchema(many=True)
COLUMNS = [field.data_key for field in _schema.dump_fields.values()]


def export_loads(**filters) -> Iterator[str]:
    """The loads that `list_loads` finds with these filters, newest first, as pieces of CSV text.

    What can be refused is refused here already, before the first piece. The database is let go of
    between the pieces, however slowly they are taken, and wherever.
    """
    app: Flask = current_app._get_current_object()
    header = ",".join(COLUMNS) + "\r\n"
    rows, position = _next_rows(filters, None)
    return _pieces(app, filters, header + rows, position)


def _pieces(
    app: Flask, filters: dict[str, Any], piece: str, position: Position | None
) -> Iterator[str]:
    while True:
        yield piece
        if position is None:
            return
        with app.app_context():
            piece, position = _next_rows(filters, position)


def _next_rows(filters: dict[str, Any], cursor: Position | None) -> tuple[str, Position | None]:
    page = list_loads(PAGE_ROWS, cursor=cursor, **filters)
    text = StringIO(newline="")
    csv.DictWriter(text, COLUMNS).writerows(_schema.dump(page.items))
    roll_back()
    return text.getvalue(), page.next_position
