"""Import of loads from a file, row by row, in bounded memory and one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Row as LoadRow

from billor.blocking import start_in_thread
from billor.database import transaction
from billor.deadlines import extend_deadline
from billor.errors import Taken
from billor.http.rows import Row, RowReader
from billor.http.text_lines import Readable
from billor.loads.exporting import COLUMNS
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_loads

CHUNK_ROWS = 500
# Deadline of an import, and so the longest time until its first load becomes visible.
IMPORT_SECONDS = 60


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


def import_loads(stream: Readable, media_type: str) -> ImportOutcome:
    """Create a load for every valid row of a file whose reference no other load has.

    So a file whose rows have references can be imported again.

    The arguments are those of `RowReader`. Raises `Refused` `import_refused`; then nothing is
    stored.
    """
    reader = RowReader(stream, media_type, LoadSchema(), ignorable=COLUMNS)
    outcome = ImportOutcome()
    extend_deadline(IMPORT_SECONDS)
    with transaction():
        for chunk in _chunks(reader):
            outcome.rows += _create(chunk)
    outcome.ignored = reader.ignored
    return outcome


def _chunks(reader: RowReader) -> Iterator[list[Row]]:
    """Yield rows; while some are being stored, the next ones are read."""
    next_rows = start_in_thread(_next_rows, reader)
    while chunk := next_rows():
        next_rows = start_in_thread(_next_rows, reader)
        yield chunk


def _next_rows(reader: RowReader) -> list[Row]:
    return list(islice(reader, CHUNK_ROWS))


def _create(rows: list[Row]) -> list[RowOutcome]:
    loads = iter(create_loads([row.attributes for row in rows if row.attributes is not None]))
    return [
        RowOutcome(row.number, errors=row.errors) if row.errors else _outcome(row, next(loads))
        for row in rows
    ]


def _outcome(row: Row, load: LoadRow | Taken) -> RowOutcome:
    return RowOutcome(row.number, load.id, already_there=isinstance(load, Taken))
