"""Rows of a CSV (RFC 4180) or NDJSON file, read one by one and validated by a schema."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from marshmallow import Schema, ValidationError, fields

from billor.errors import Refused
from billor.http.strict_json import MAX_NAME_TOLD, DoubledField, read_json
from billor.logs import printable

# By the extension of a file's name.
MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "jsonl": "application/x-ndjson",
}
MAX_ROWS = 10_000
MAX_ROW_BYTES = 64 * 1024

# Returns a row's JSON value, or raises `ValidationError`.
Record = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A row's attributes, or its errors by field.

    `number` counts from 1, without a CSV header and blank lines.
    """

    number: int
    attributes: dict[str, Any] | None = None
    errors: dict[str, list[str]] | None = None


class Readable(Protocol):
    """The part of a file's interface that reading rows needs."""

    def readline(self, limit: int, /) -> bytes: ...


def read_rows(stream: Readable, media_type: str, schema: Schema) -> Iterator[Row]:
    """Yield the rows of a file, each loaded by the schema.

    `stream` should be buffered; `media_type` is one of `MEDIA_TYPES`. Raises `Refused`
    `import_refused` if the file cannot be read to its end.
    """
    read = _csv if media_type == MEDIA_TYPES["csv"] else _ndjson
    for number, record in _numbered(read(_Lines(stream), schema)):
        try:
            yield Row(number, schema.load(record()))
        except ValidationError as error:
            yield Row(number, errors=error.normalized_messages())


def _numbered(records: Iterator[Record | None]) -> Iterator[tuple[int, Record]]:
    """Yield the rows with their numbers; skip blank lines, which are None.

    Raises `Refused` for any error of the file as a whole.
    """
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

    Raises `_TooLong` and `UnicodeDecodeError`.
    """

    def __init__(self, stream: Readable):
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


def _ndjson(lines: _Lines, _schema: Schema) -> Iterator[Record | None]:
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


def _csv(lines: _Lines, schema: Schema) -> Iterator[Record | None]:
    columns: dict[str, fields.Field] | None = None
    for cells in csv.reader(lines, strict=True):
        lines.end_record()
        if len(cells) < 2 and not "".join(cells).strip():
            yield None
        elif columns is None:
            columns = _columns([cell.strip() for cell in cells], schema)
        else:
            yield partial(_read_cells, columns, cells)


def _columns(names: list[str], schema: Schema) -> dict[str, fields.Field]:
    """Return the fields that the header names. Raises `Refused` if a required one is missing."""
    known = {field.data_key or name: field for name, field in schema.load_fields.items()}
    missing = [name for name, field in known.items() if field.required and name not in names]
    given = f"It names {printable(', '.join(names))[:MAX_NAME_TOLD]}."
    if missing:
        raise _refused(f"The first line must name the columns {', '.join(missing)}. {given}")
    if len(names) > len(set(names)) or not set(names) <= set(known):
        raise _refused(f"The first line may name only {', '.join(known)}, each once. {given}")
    return {name: known[name] for name in names}


def _read_cells(columns: dict[str, fields.Field], cells: list[str]) -> dict[str, Any]:
    """Return the row as an object; an empty cell is a missing field."""
    if len(cells) > len(columns):
        raise ValidationError(f"Has {len(cells)} columns, but the header has {len(columns)}.")
    given = zip(columns.items(), cells, strict=False)
    return {name: _read_cell(field, cell) for (name, field), cell in given if cell.strip()}


def _read_cell(field: fields.Field, cell: str) -> Any:
    """Return the cell as a JSON value: text unchanged, a number parsed."""
    if isinstance(field, fields.String):
        return cell
    try:
        return read_json(cell)
    except (ValueError, RecursionError):
        return cell  # the schema refuses it
