"""Tables: rows of cells below a header, read as JSON objects for a schema."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields

from billor.errors import Refused
from billor.http.strict_json import MAX_NAME_TOLD, read_json
from billor.logs import printable


@dataclass(frozen=True)
class Unreadable:
    """A cell without a value. `reason` says why."""

    reason: str


# A cell's value; None if it is empty.
Cell = str | int | float | bool | date | time | timedelta | Unreadable | None
# Returns a row's JSON value, or raises `ValidationError`.
Record = Callable[[], Any]

MIDNIGHT = time()


class Column(NamedTuple):
    """A column that is read: its place in a row, and its field."""

    place: int
    name: str
    field: fields.Field


class Table:
    """Reads the rows of a table, of which the first is the header.

    Case, spaces and punctuation of the names there do not matter.
    """

    def __init__(self, schema: Schema, ignorable: Collection[str] = ()):
        """`ignorable` are names of columns that are left out."""
        known = {field.data_key or name: field for name, field in schema.load_fields.items()}
        self._known = {fold(name): (name, field) for name, field in known.items()}
        self._required = {fold(name): name for name, field in known.items() if field.required}
        self._ignorable = {fold(name) for name in ignorable} - set(self._known)
        self._ignored: dict[str, str] = {}
        self._columns: list[Column] = []
        self._nameless: list[int] = []
        self._width = 0

    @property
    def ignored(self) -> list[str]:
        """The columns that were left out, by the names that the header has for them."""
        return list(self._ignored.values())

    def known_names(self, cells: Sequence[str]) -> int:
        """Return how many of the cells are the names of columns."""
        return sum(fold(cell) in self._known for cell in cells)

    def records(self, rows: Iterable[Sequence[Cell]]) -> Iterator[Record | None]:
        """Yield a record for each row below the header, and None for a blank one.

        The header may come again, as where files were joined; that counts as blank. Raises
        `Refused` for a header that does not match the schema.
        """
        for row in rows:
            cells = _without_blank_end(row)
            if not cells:
                yield None
            elif not self._width:
                self._read_header(cells)
            elif self._is_header(cells):
                self._read_header(cells)
                yield None
            else:
                yield partial(self._read, cells)

    def _is_header(self, cells: Sequence[Cell]) -> bool:
        first = fold(next(cell for cell in cells if not is_blank(cell)))
        if first not in self._known and first not in self._ignorable:
            return False
        return set(self._required) <= {fold(cell) for cell in cells}

    def _read_header(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            if isinstance(cell, Unreadable):
                raise Refused("import_refused", f"The first line cannot be read. {cell.reason}")
        names = [str(cell or "").strip() for cell in cells]
        keys = [fold(name) for name in names]
        self._check_header(names, keys)
        self._width = len(names)
        self._nameless = [place for place, key in enumerate(keys) if not key]
        self._columns = [
            Column(place, *self._known[key]) for place, key in enumerate(keys) if key in self._known
        ]
        for name, key in zip(names, keys, strict=True):
            if key in self._ignorable:
                self._ignored.setdefault(key, name)

    def _check_header(self, names: list[str], keys: list[str]) -> None:
        named = [key for key in keys if key]
        missing = [name for key, name in self._required.items() if key not in named]
        if missing:
            raise _refused(f"must name the columns {', '.join(missing)}.", names)
        unknown = [
            name
            for name, key in zip(names, keys, strict=True)
            if key and key not in self._known and key not in self._ignorable
        ]
        if unknown:
            raise _refused(
                f"names columns that are unknown: {_told(unknown)}. Known are "
                f"{', '.join(name for name, _ in self._known.values())}.",
                names,
            )
        twice = [name for name, key in zip(names, keys, strict=True) if named.count(key) > 1]
        if twice:
            raise _refused(f"must name each column once: {_told(twice)}.", names)

    def _read(self, cells: Sequence[Cell]) -> dict[str, Any]:
        """Return the row as an object; an empty cell is a missing field."""
        if len(cells) > self._width:
            raise ValidationError(f"Has {len(cells)} columns, but the header has {self._width}.")
        for place in self._nameless:
            if place < len(cells) and not is_blank(cells[place]):
                raise ValidationError(f"Column {place + 1} has no name in the header.")
        return {
            column.name: _read_cell(column, cells[column.place])
            for column in self._columns
            if column.place < len(cells) and not is_blank(cells[column.place])
        }


def fold(name: Cell) -> str:
    """Return what two names of a column have in common: letters and digits, in lower case."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", str(name or ""))).casefold()


def is_blank(cell: Cell) -> bool:
    """Return whether a cell has nothing in it but white space."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _without_blank_end(cells: Sequence[Cell]) -> Sequence[Cell]:
    end = len(cells)
    while end and is_blank(cells[end - 1]):
        end -= 1
    return cells[:end]


def _read_cell(column: Column, cell: Cell) -> Any:
    """Return the cell as a JSON value: text for a text field, a number parsed for others."""
    if isinstance(cell, Unreadable):
        raise ValidationError(cell.reason, column.name)
    if isinstance(column.field, fields.String):
        return _as_text(cell)
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if not isinstance(cell, str):
        return cell if isinstance(cell, bool | int | float) else _as_text(cell)
    try:
        return read_json(cell)
    except (ValueError, RecursionError):
        return cell  # the schema refuses it


def _as_text(cell: Cell) -> str:
    """Return a cell's value as spreadsheets show it without a format, times as in ISO 8601.

    Numbers have 15 digits, as there, but no exponent: they may be order numbers.
    """
    match cell:
        case str():
            return cell
        case bool():
            return str(cell).upper()
        case float():
            return format(Decimal(format(cell, ".15g")), "f")
        case datetime() if cell.time() == MIDNIGHT:
            return cell.date().isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            minutes, seconds = divmod(round(cell.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(cell)


def _told(names: Iterable[str]) -> str:
    return printable(", ".join(names))[:MAX_NAME_TOLD]


def _refused(why: str, names: Sequence[str]) -> Refused:
    return Refused("import_refused", f"The first line {why} It names {_told(names)}.")
