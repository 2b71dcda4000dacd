"""Import, in one transaction, or preview of the loads in a file that was read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import BoundedSemaphore

from sqlalchemy import select

from billor.database import transaction
from billor.errors import Taken, Unavailable
from billor.loads.files import FileRow, LoadFile
from billor.loads.service import create_loads
from billor.models import Load, db

CHUNK_ROWS = 500
PREVIEW_ROWS = 20
MAX_IMPORTS = 2
"""Per process: each takes a thread, most of a core, and then a database connection."""

_running = BoundedSemaphore(MAX_IMPORTS)


@contextmanager
def import_slot() -> Iterator[None]:
    """Hold one of `MAX_IMPORTS`. Raises `Unavailable` `imports_busy` at once if all are taken."""
    if not _running.acquire(blocking=False):
        raise Unavailable("imports_busy")
    try:
        yield
    finally:
        _running.release()


def import_loads(file: LoadFile) -> LoadFile:
    """Create a load for each valid row, and return the file with the ids of all loads.

    Skips exported loads that exist here, and rows whose reference another load has, so that an
    export, or a file with references, can be imported again.
    """
    with transaction():
        for start in range(0, len(file.rows), CHUNK_ROWS):
            _store([row for row in file.rows[start : start + CHUNK_ROWS] if row.attributes])
    return file


def preview(file: LoadFile) -> LoadFile:
    """Return the file with the first loads as they were read, and create nothing."""
    for row in file.rows[:PREVIEW_ROWS]:
        if row.attributes:
            row.load = row.attributes
    return file


def _store(rows: Sequence[FileRow]) -> None:
    here = _exported_from_here(rows)
    new = [row for row in rows if row.exported not in here]
    for row in rows:
        if row.exported in here:
            row.load_id, row.already_there = row.exported[0], True
    for row, load in zip(new, create_loads([row.attributes for row in new]), strict=True):
        row.load_id, row.already_there = load.id, isinstance(load, Taken)


def _exported_from_here(rows: Sequence[FileRow]) -> set[tuple[int, datetime]]:
    """Return which exported loads exist in this database, with the same time of creation."""
    ids = [row.exported[0] for row in rows if row.exported]
    if not ids:
        return set()
    found = db.session.execute(select(Load.id, Load.created_at).where(Load.id.in_(ids)))
    return {(id_, created_at) for id_, created_at in found}
