"""Rows of a file in CSV, NDJSON or .xlsx, read one by one and validated by a schema."""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from marshmallow import Schema, ValidationError

from billor.errors import Refused
from billor.http.csv_rows import read_csv
from billor.http.media_types import CSV, OLE, XLSX
from billor.http.strict_json import DoubledField, read_json
from billor.http.tables import Record, Table
from billor.http.text_lines import MAX_RECORD_BYTES, Lines, NotUtf8, Readable, TooLong

MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row's attributes, or its errors by field.

    `number` counts from 1, without a header and blank lines.
    """

    number: int
    attributes: dict[str, Any] | None = None
    errors: dict[str, list[str]] | None = None


class RowReader:
    """Iterates over the rows of a file, each loaded by a schema.

    Raises `Refused` `import_refused` if the file cannot be read to its end. Only `NDJSON` names
    its columns in each row: in a table, columns that the schema does not know may be ignored.
    """

    def __init__(
        self,
        stream: Readable,
        media_type: str,
        schema: Schema,
        ignorable: Collection[str] = (),
    ):
        """`stream` should be buffered, and one of `XLSX` must be able to seek.

        `media_type` is what `recognise` returns, `ignorable` names columns that are left out.
        """
        self._schema = schema
        self._table = Table(schema, ignorable)
        self._rows = self._load(stream, media_type)

    @property
    def ignored(self) -> list[str]:
        """The columns of a table that were left out, as far as it was read."""
        return self._table.ignored

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def _records(self, stream: Readable, media_type: str) -> Iterator[Record | None]:
        if media_type in (OLE, XLSX):
            # Only here, since openpyxl would slow down the start of every process.
            from billor.http import workbooks

            if media_type == OLE:
                workbooks.refuse_ole(stream)
            return self._table.records(workbooks.read_workbook(stream))
        if media_type == CSV:
            return self._table.records(read_csv(Lines(stream), self._table))
        return _read_ndjson(Lines(stream))

    def _load(self, stream: Readable, media_type: str) -> Iterator[Row]:
        for number, record in _numbered(self._records(stream, media_type)):
            try:
                yield Row(number, self._schema.load(record()))
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
    except NotUtf8 as error:
        reasons = (f"Row {row + 1} is not UTF-8.", str(error), "Save the file as UTF-8.")
        raise _refused(" ".join(filter(None, reasons))) from error
    except csv.Error as error:
        raise _refused(
            f"Row {row + 1} is not CSV. Put a field that has commas, quotes or line breaks in it "
            "in double quotes, and double the quotes inside."
        ) from error
    except TooLong as error:
        raise _refused(
            f"Row {row + 1} is longer than {MAX_RECORD_BYTES // 1024} KiB. Does it lack a line "
            "break or a closing quote?"
        ) from error
    if not row:
        raise _refused("The file has no rows. Put one load in each.")


def _refused(detail: str) -> Refused:
    return Refused("import_refused", detail)


def _read_ndjson(lines: Lines) -> Iterator[Record | None]:
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
