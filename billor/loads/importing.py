"""Import of loads from a file, row by row, in bounded memory and one transaction."""

from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Row as LoadRow

from billor.database import transaction
from billor.deadlines import extend_deadline
from billor.errors import Taken
from billor.http.rows import Readable, read_rows
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_loads

CHUNK_ROWS = 500
# Deadline of an import, and so the longest time until its first load becomes visible.
IMPORT_SECONDS = 60


@dataclass(slots=True)
class RowOutcome:
    """The outcome of a row: the id of its load, or its errors by field."""

    row: int
    load_id: int | None = None
    errors: dict[str, list[str]] | None = None


def import_loads(stream: Readable, media_type: str) -> list[RowOutcome]:
    """Create a load for every valid row of a file; return the outcome of each row, in order.

    The arguments are those of `read_rows`. Raises `Refused` `import_refused`; then nothing is
    stored.
    """
    rows = read_rows(stream, media_type, LoadSchema())
    outcomes: list[RowOutcome] = []
    extend_deadline(IMPORT_SECONDS)
    with transaction():
        while chunk := list(islice(rows, CHUNK_ROWS)):
            created = iter(
                create_loads([row.attributes for row in chunk if row.attributes is not None])
            )
            outcomes += [
                RowOutcome(row.number, errors=row.errors)
                if row.errors
                else _outcome(row.number, next(created))
                for row in chunk
            ]
    return outcomes


def _outcome(number: int, created: LoadRow | Taken) -> RowOutcome:
    if isinstance(created, Taken):
        return RowOutcome(number, errors={"reference": [created.detail]})
    return RowOutcome(number, created.id)
