"""Export as CSV (RFC 4180); of loads, each with its last assignment.

It reads page by page, in bounded memory and short transactions.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from io import StringIO
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, current_app
from marshmallow import Schema
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import joinedload

from billor.api.blocking import slot
from billor.api.fields import wire_time
from billor.database import roll_back
from billor.database.keyset import Position
from billor.loads.lists import list_loads
from billor.loads.schemas import SHOWN_PHONES, LoadSchema
from billor.models import Assignment, AssignmentStatus, db

PAGE_ROWS = 200
# Per process: fewer than its database connections, so that exports cannot use all of them.
MAX_EXPORTS = 4

_running = BoundedSemaphore(MAX_EXPORTS)
# Spreadsheets read cells that start with these as formulas:
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")

# What a page of rows shows, by column, and the position after it.
Rows = tuple[list[dict[str, Any]], Position | None]


def columns_of(schema: Schema) -> list[str]:
    """Return the wire names of the fields."""
    return [field.data_key or name for name, field in schema.dump_fields.items()]


def export(
    columns: list[str],
    read: Callable[..., Rows],
    *,
    bom: bool = False,
    spreadsheet: bool = False,
    **filters: Any,
) -> Iterator[str]:
    """Return all rows as chunks of CSV text; `read` finds a number of them after a position.

    `bom` starts with a byte order mark, which tells Excel that it is UTF-8. `spreadsheet` puts a
    single quote before what a spreadsheet would read as a formula.

    Raises any error of the first page. No database connection is held between chunks.
    """

    def next_text(cursor: Position | None) -> tuple[str, Position | None]:
        rows, position = read(PAGE_ROWS, cursor, **filters)
        roll_back()
        if spreadsheet:
            rows = [{name: _without_formula(cell) for name, cell in row.items()} for row in rows]
        text = StringIO(newline="")
        csv.DictWriter(text, columns).writerows(rows)
        return text.getvalue(), position

    def all_chunks() -> Iterator[str]:
        with slot(_running, "exports_busy"):
            text, position = next_text(None)
            yield ""  # taken below; from here on, closing the generator ends the export
            yield head + text
            while position is not None:
                with app.app_context():
                    text, position = next_text(position)
                yield text

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    head = ("\ufeff" if bom else "") + ",".join(columns) + "\r\n"
    chunks = all_chunks()
    next(chunks)
    return chunks


def _without_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


_schema = LoadSchema(many=True, exclude=("has_pod", *SHOWN_PHONES))
COLUMNS = [
    *columns_of(_schema),
    *("driverId", "driverName", "driverLicenseNumber", "assignedAt", "closedAt"),
]


def _read_loads(limit: int, cursor: Position | None, **filters: Any) -> Rows:
    page = list_loads(limit, cursor, details=True, **filters)
    assignments = _last_assignments([load.id for load in page.items])
    rows = [shown | assignments.get(shown["id"], {}) for shown in _schema.dump(page.items)]
    return rows, page.next_position


def _last_assignments(load_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the cells of each load's last assignment and its driver, by the load's id.

    It is the one that is not cancelled if there is one: a reopened one may be older than others.
    A planned one has not begun.
    """
    is_cancelled = Assignment.status == AssignmentStatus.CANCELLED
    last = (is_cancelled, Assignment.assigned_at.desc(), Assignment.id.desc())
    query = (
        select(Assignment)
        .options(joinedload(Assignment.driver))
        .where(Assignment.load_id.in_(load_ids), Assignment.status != AssignmentStatus.PLANNED)
        .ext(distinct_on(Assignment.load_id))
        .order_by(Assignment.load_id, *last)
    )
    return {
        assignment.load_id: {
            "driverId": assignment.driver_id,
            "driverName": assignment.driver.name,
            "driverLicenseNumber": assignment.driver.license_number,
            "assignedAt": wire_time(assignment.assigned_at),
            "closedAt": assignment.closed_at and wire_time(assignment.closed_at),
        }
        for assignment in db.session.scalars(query)
    }


export_loads = partial(export, COLUMNS, _read_loads)
"""Exports the loads that `list_loads` finds, in its order."""
