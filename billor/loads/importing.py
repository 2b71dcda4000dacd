"""Import of loads from a file: it is read first, and stored then, in one transaction.

So no database connection is held while a file is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import BoundedSemaphore

from sqlalchemy import select

from billor.database import transaction
from billor.errors import Taken, Unavailable
from billor.extensions import db
from billor.loads.files import FileRow, LoadFile
from billor.loads.service import create_loads
from billor.models import Load

CHUNK_ROWS = 500
MAX_IMPORTS = 2
"""Per process: each takes a thread, most of a core, and then a database connection."""

_running = BoundedSemaphore(MAX_IMPORTS)


@dataclass(slots=True)
class RowOutcome:
    """The outcome of a row: the id of its load, new or already there, or its errors by field."""

    row: int
    load_id: int | None = None
    errors: dict[str, list[str]] | None = None
    already_there: bool = False


@dataclass
class ImportOutcome:
    """The outcome of each row, in order; the sheet that was read, and the columns left out."""

    rows: list[RowOutcome]
    ignored: list[str]
    sheet: str | None

    def __post_init__(self) -> None:
        self.refused = sum(row.errors is not None for row in self.rows)
        self.already_there = sum(row.already_there for row in self.rows)
        self.created = len(self.rows) - self.refused - self.already_there


@contextmanager
def import_slot() -> Iterator[None]:
    """Hold one of `MAX_IMPORTS`. Raises `Unavailable` `imports_busy` at once if all are taken."""
    if not _running.acquire(blocking=False):
        raise Unavailable("imports_busy")
    try:
        yield
    finally:
        _running.release()


def import_loads(file: LoadFile) -> ImportOutcome:
    """Create a load for each valid row, unless it was exported or its reference is there.

    So a file can be imported again, if it is an export or its rows have references.
    """
    rows: list[RowOutcome] = []
    with transaction():
        for start in range(0, len(file.rows), CHUNK_ROWS):
            rows += _store(file.rows[start : start + CHUNK_ROWS])
    return ImportOutcome(rows, file.ignored, file.sheet)


def _store(rows: Sequence[FileRow]) -> list[RowOutcome]:
    exported = _still_there(rows)
    new = [row.attributes for row in rows if row.attributes and row.exported not in exported]
    loads = iter(create_loads(new))
    outcomes = []
    for row in rows:
        if row.errors:
            outcomes.append(RowOutcome(row.number, errors=row.errors))
        elif row.exported in exported:
            outcomes.append(RowOutcome(row.number, row.exported[0], already_there=True))
        else:
            load = next(loads)
            is_there = isinstance(load, Taken)
            outcomes.append(RowOutcome(row.number, load.id, already_there=is_there))
    return outcomes


def _still_there(rows: Sequence[FileRow]) -> set[tuple[int, datetime]]:
    """Return which loads that were exported are in this database: with id and time of creation."""
    ids = [row.exported[0] for row in rows if row.exported]
    if not ids:
        return set()
    found = db.session.execute(select(Load.id, Load.created_at).where(Load.id.in_(ids)))
    return {(id_, created_at) for id_, created_at in found}
