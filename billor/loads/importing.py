"""Creating loads from a file, row by row, in bounded memory and one transaction."""

from dataclasses import dataclass
from itertools import islice

from billor.database import transaction
from billor.deadlines import extend_deadline
from billor.http.rows import Readable, read_rows
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_loads

CHUNK_ROWS = 500
# How long the rows of a file may take. So long after it was created the first one may be unseen.
IMPORT_SECONDS = 60


@dataclass(slots=True)
class RowOutcome:
    """What became of a row: the id of its load, or, by field, why there is none."""

    row: int
    load_id: int | None = None
    errors: dict[str, list[str]] | None = None


def import_loads(stream: Readable, media_type: str) -> list[RowOutcome]:
    """Create a load for every good row of a file, and tell what became of each row, in order.

    Takes what `read_rows` takes. Raises `Refused` `import_refused`; then nothing is stored.
    """
    rows = read_rows(stream, media_type, LoadSchema())
    outcomes: list[RowOutcome] = []
    extend_deadline(IMPORT_SECONDS)
    with transaction():
        while chunk := list(islice(rows, CHUNK_ROWS)):
            loads = iter(
                create_loads([row.attributes for row in chunk if row.attributes is not None])
            )
            outcomes += [
                RowOutcome(row.number, None if row.errors else next(loads).id, row.errors)
                for row in chunk
            ]
    return outcomes
