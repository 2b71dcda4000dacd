"""Loads as CSV (RFC 4180), page by page: memory and transactions do not grow with their number."""

import csv
from collections.abc import Iterator
from io import StringIO

from billor.database import roll_back
from billor.loads.schemas import LoadSchema
from billor.loads.service import list_loads
from billor.pagination import Page

PAGE_ROWS = 1000

_schema = LoadSchema(many=True)
COLUMNS = [field.data_key for field in _schema.dump_fields.values()]


def export_loads(**filters) -> Iterator[str]:
    """The loads that `list_loads` finds with these filters, newest first, as pieces of CSV text.

    What can be refused is refused here already, before the first piece. The database is let go of
    between the pieces, however slowly they are taken.
    """
    page = list_loads(PAGE_ROWS, **filters)
    return _pieces(page, filters)


def _pieces(page: Page, filters: dict) -> Iterator[str]:
    piece = StringIO(newline="")
    writer = csv.DictWriter(piece, COLUMNS)
    writer.writeheader()
    while True:
        writer.writerows(_schema.dump(page.items))
        roll_back()
        yield piece.getvalue()
        if page.next_position is None:
            return
        piece.seek(0)
        piece.truncate()
        page = list_loads(PAGE_ROWS, cursor=page.next_position, **filters)
