"""Import, in one transaction, or preview of the loads in a file that was read."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from threading import BoundedSemaphore

from sqlalchemy import select

from billor.api.blocking import slot
from billor.database import transaction
from billor.errors import Taken
from billor.loads.files import FileRow, LoadFile
from billor.loads.service import create_loads
from billor.models import Load, db

CHUNK_ROWS = 500
PREVIEW_ROWS = 20
PRECISION = timedelta(minutes=1)
"""Of times in a file: a spreadsheet may leave out the seconds, or round them."""
MAX_IMPORTS = 2  # per process: each takes a thread, most of a core, and then a database connection

import_slot = partial(slot, BoundedSemaphore(MAX_IMPORTS), "imports_busy")


def import_loads(file: LoadFile) -> LoadFile:
    """Create a load for each valid row, and return the file with the ids of all loads.

    Skips those that exist here, by their export or reference: a file can be imported again.
    """
    with transaction():
        for start in range(0, len(file.rows), CHUNK_ROWS):
            rows = file.rows[start : start + CHUNK_ROWS]
            _find_exported(rows)
            new = [row for row in rows if row.attributes and not row.already_there]
            for row, load in zip(new, create_loads([row.attributes for row in new]), strict=True):
                row.load_id, row.already_there = load.id, isinstance(load, Taken)
    return file


def preview(file: LoadFile) -> LoadFile:
    """Return the file with the first loads as they were read, and create nothing."""
    with transaction():
        _find_exported(file.rows)
    for row in file.rows[:PREVIEW_ROWS]:
        if row.attributes:
            row.load = row.attributes
    return file


def _find_exported(rows: Sequence[FileRow]) -> None:
    """Mark the rows whose load is in this database, with the same time of creation."""
    exported = [(row, *row.exported) for row in rows if row.exported]
    ids = [id_ for _, id_, _ in exported]
    found = db.session.execute(select(Load.id, Load.created_at).where(Load.id.in_(ids)))
    created = {load.id: load.created_at for load in found}
    for row, id_, times in exported:
        if id_ in created and any(abs(time - created[id_]) < PRECISION for time in times):
            row.load_id, row.already_there, row.errors = id_, True, None
