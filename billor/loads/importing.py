"""Import of loads from a file: it is read first, and stored then, in one transaction.

So no database connection is held while a file is parsed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore

from billor.blocking import in_thread
from billor.database import transaction
from billor.errors import Taken, Unavailable
from billor.http.rows import Row, RowReader
from billor.http.text_lines import Readable
from billor.loads.exporting import COLUMNS
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_loads
from billor.models import Load

CHUNK_ROWS = 500
MAX_IMPORTS = 2
"""Per process: each takes a thread, most of a core, and then a database connection."""

_running = BoundedSemaphore(MAX_IMPORTS)


@dataclass(frozen=True, slots=True)
class LoadsRead:
    """The rows of a file, and the columns of an export that were left out."""

    rows: list[Row]
    ignored: list[str]


@dataclass(slots=True)
class RowOutcome:
    """The outcome of a row: the id of its load, new or already there, or its errors by field."""

    row: int
    load_id: int | None = None
    errors: dict[str, list[str]] | None = None
    already_there: bool = False


@dataclass(slots=True)
class ImportOutcome:
    """The outcome of each row, in order, and the columns of an export that were left out."""

    rows: list[RowOutcome] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    @property
    def created(self) -> int:
        """How many rows became loads."""
        return len(self.rows) - self.already_there - self.refused

    @property
    def already_there(self) -> int:
        """How many rows have the reference of a load, or of an earlier row."""
        return sum(row.already_there for row in self.rows)

    @property
    def refused(self) -> int:
        """How many rows have errors."""
        return sum(row.errors is not None for row in self.rows)


@contextmanager
def import_slot() -> Iterator[None]:
    """Hold one of `MAX_IMPORTS`. Raises `Unavailable` `imports_busy` at once if all are taken."""
    if not _running.acquire(blocking=False):
        raise Unavailable("imports_busy")
    try:
        yield
    finally:
        _running.release()


@in_thread
def read_loads(stream: Readable, media_type: str) -> LoadsRead:
    """Read and check all rows of a file; the arguments are those of `RowReader`.

    Raises `Refused` `import_refused`.
    """
    reader = RowReader(stream, media_type, LoadSchema(), ignorable=COLUMNS)
    return LoadsRead(list(reader), reader.ignored)


def import_loads(read: LoadsRead) -> ImportOutcome:
    """Create a load for every valid row of a file whose reference no other load has.

    So a file whose rows have references can be imported again.
    """
    outcome = ImportOutcome(ignored=read.ignored)
    with transaction():
        for start in range(0, len(read.rows), CHUNK_ROWS):
            outcome.rows += _create(read.rows[start : start + CHUNK_ROWS])
    return outcome


def _create(rows: list[Row]) -> list[RowOutcome]:
    loads = iter(create_loads([row.attributes for row in rows if row.attributes is not None]))
    return [
        RowOutcome(row.number, errors=row.errors) if row.errors else _outcome(row, next(loads))
        for row in rows
    ]


def _outcome(row: Row, load: Load | Taken) -> RowOutcome:
    return RowOutcome(row.number, load.id, already_there=isinstance(load, Taken))
