"""Creating loads from a file, NDJSON or CSV: row by row, in bounded memory, in one transaction."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from marshmallow import ValidationError

from billor.database import transaction
from billor.deadlines import extend_deadline
from billor.errors import Refused
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_loads
from billor.logs import printable
from billor.strict_json import MAX_NAME_TOLD, DoubledField, read_json

MAX_ROWS = 10_000
MAX_ROW_BYTES = 64 * 1024
CHUNK_ROWS = 500
IMPORT_SECONDS = 60
"""How long the rows of a file may take, and how long after it was created the first one may be
seen by others."""

_schema = LoadSchema()
COLUMNS = [field.data_key for field in _schema.load_fields.values()]

Record = Callable[[], Any]
"""Gives a row's value as JSON would have it, or raises `ValidationError`."""


@dataclass(slots=True)
class RowOutcome:
    """What became of a row: the id of its load, or, by field, why there is none.

    `row` counts from 1; neither a CSV file's header nor blank lines count.
    """

    row: int
    load_id: int | None = None
    errors: dict[str, list[str]] | None = None


def import_loads(stream: BinaryIO, media_type: str) -> list[RowOutcome]:
    """Create a load for every good row of a file, and tell what became of each row, in order.

    `stream` is read line by line, so it should be a buffered one; `media_type` is in `READERS`.
    Raises `Refused` `import_refused`; then nothing of the file is stored.
    """
    rows = _checked(_numbered(READERS[media_type](_Lines(stream))))
    outcomes: list[RowOutcome] = []
    extend_deadline(IMPORT_SECONDS)
    with transaction():
        while chunk := list(islice(rows, CHUNK_ROWS)):
            good = [(outcome, fields) for outcome, fields in chunk if fields is not None]
            loads = create_loads([fields for _, fields in good])
            for (outcome, _), load in zip(good, loads, strict=True):
                outcome.load_id = load.id
            outcomes += [outcome for outcome, _ in chunk]
    return outcomes


def _checked(
    records: Iterator[tuple[int, Record]],
) -> Iterator[tuple[RowOutcome, dict[str, str] | None]]:
    """Each row's outcome, and the fields of those that are to be created."""
    for row, record in records:
        try:
            yield RowOutcome(row), _schema.load(record())
        except ValidationError as error:
            yield RowOutcome(row, errors=error.normalized_messages()), None


def _numbered(records: Iterator[Record | None]) -> Iterator[tuple[int, Record]]:
    """The rows with their numbers; None is a blank line. Raises `Refused` for all that is wrong
    with a file."""
    row = blank_lines = 0
    try:
        for record in records:
            if record is None:
                blank_lines += 1
            else:
                row += 1
            if max(row, blank_lines) > MAX_ROWS:
                raise _refused(
                    f"The file has more than {MAX_ROWS:,} rows or blank lines. Split it into "
                    "smaller ones."
                )
            if record is not None:
                yield row, record
    except UnicodeDecodeError as error:
        raise _refused(f"Row {row + 1} is not UTF-8. Save the file as UTF-8.") from error
    except csv.Error as error:
        raise _refused(
            f"Row {row + 1} is not CSV. Put a field that has commas, quotes or line breaks in it "
            "in double quotes, and double the quotes inside."
        ) from error
    except _TooLong as error:
        raise _refused(
            f"Row {row + 1} is longer than {MAX_ROW_BYTES // 1024} KiB. Does it lack a line break "
            "or a closing quote?"
        ) from error
    if not row:
        raise _refused("The file has no rows. Put one load in each.")


def _refused(detail: str) -> Refused:
    return Refused("import_refused", detail)


class _TooLong(Exception):
    """A record has more than `MAX_ROW_BYTES`."""


class _Lines:
    """The lines of a file as text, at most `MAX_ROW_BYTES` from one `end_record` to the next.
    Raises `_TooLong` and `UnicodeDecodeError`."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._encoding = "utf-8-sig"  # may begin with a byte order mark
        self.end_record()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._left + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            raise _TooLong
        text = line.decode(self._encoding)
        self._encoding = "utf-8"
        return text

    def end_record(self) -> None:
        self._left = MAX_ROW_BYTES


def _ndjson(lines: _Lines) -> Iterator[Record | None]:
    for line in lines:
        lines.end_record()
        yield partial(_read_json, line) if line.strip() else None


def _read_json(line: str) -> Any:
    try:
        return read_json(line)
    except DoubledField as error:
        raise ValidationError("Is there twice.", error.name) from error
    except (ValueError, RecursionError) as error:
        raise ValidationError("Not valid JSON.") from error


def _csv(lines: _Lines) -> Iterator[Record | None]:
    columns: list[str] | None = None
    for cells in csv.reader(lines, strict=True):
        lines.end_record()
        if len(cells) < 2 and not "".join(cells).strip():
            yield None
        elif columns is None:
            columns = _checked_header([cell.strip() for cell in cells])
        else:
            yield partial(_read_cells, columns, cells)


def _checked_header(names: list[str]) -> list[str]:
    if sorted(names) != sorted(COLUMNS):
        raise _refused(
            f"The first line must name the columns {', '.join(COLUMNS)}, in any order, and no "
            f"others. It names {printable(', '.join(names))[:MAX_NAME_TOLD]}."
        )
    return names


def _read_cells(columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(columns):
        raise ValidationError(f"Has {len(cells)} columns, but the header has {len(columns)}.")
    return dict(zip(columns, cells, strict=False))


READERS: dict[str, Callable[[_Lines], Iterator[Record | None]]] = {
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
}
"""By media type, what reads the records of a file."""
