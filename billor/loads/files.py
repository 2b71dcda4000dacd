"""Reads loads from CSV, NDJSON and workbooks (.xlsx, .xls, .ods)."""

import codecs
import csv
import io
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError, fields

from billor.api.blocking import in_thread
from billor.api.fields import MAX_NAME_LENGTH, Id, Identifier, Phone, Timestamp
from billor.errors import BillorError
from billor.loads.schemas import FileLoadSchema

CSV = "text/csv"
NDJSON = "application/x-ndjson"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
# The last three are guesses from the file's name: Windows labels CSV as Excel's.
CSV_TYPES = [CSV, "application/csv", "application/x-csv", "text/x-csv"]
CSV_TYPES += ["text/comma-separated-values", "text/tab-separated-values"]
CSV_TYPES += ["application/octet-stream", "application/vnd.ms-excel", "text/plain"]
MEDIA_TYPES = {
    **dict.fromkeys(CSV_TYPES, CSV),
    **dict.fromkeys((NDJSON, "application/ndjson", "application/jsonl"), NDJSON),
    **dict.fromkeys((WORKBOOK, ODS), WORKBOOK),
}
BY_EXTENSION = {
    **dict.fromkeys(("csv", "tsv", "txt"), CSV),
    **dict.fromkeys(("ndjson", "jsonl"), NDJSON),
    **dict.fromkeys(("xlsx", "xls", "ods"), WORKBOOK),
}
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

READER = Path(__file__).with_name("workbook.py")
READER_REFUSED = 3  # its exit status; not imported, because its library takes memory
MAX_CELL_CHARACTERS = 32_767
MAX_ROWS = 10_000
HEADER_ROWS = 20  # the header must be in the first rows of a sheet
SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=(\t|[^\w\s"\0])"?\r?\n?', re.IGNORECASE)
# Other names of columns, by letters and digits.
ALIASES = {
    "origin": "from origincity pickuplocation pickupcity shipfrom",
    "destination": "to destinationcity dropoff deliverylocation deliverycity shipto",
    "cargoType": "cargo commodity freight goods",
    "reference": "ref refno refnumber referenceno referencenumber po pono ponumber order orderno "
    "ordernumber",
    "pickupAt": "pickup pickupdate pickuptime pickupdatetime pickupfrom pickupstart earliestpickup",
    "pickupTo": "pickupuntil pickupby pickupend latestpickup",
    "deliverFrom": "deliveryfrom deliverystart earliestdelivery",
    "deliverBy": "deliver delivery deliverydate deliverytime deliverydatetime due duedate "
    "deliverto deliveryto deliveryby deliveryend latestdelivery",
    # A weight without its unit is ignored.
    "weightKg": "kg weightinkg kilograms",
    "weightLbs": "lbs lb weightlb weightinlbs pounds weightpounds",
    "equipment": "equipmenttype trailer trailertype trucktype",
    "pickupContact": "pickupcontactname shippercontact origincontact",
    "pickupPhone": "pickupcontactphone shipperphone originphone",
    "deliveryContact": "deliverycontactname receivercontact consigneecontact destinationcontact",
    "deliveryPhone": "deliverycontactphone receiverphone consigneephone destinationphone",
    "notes": "drivernotes instructions driverinstructions specialinstructions",
}
ENDS = ("pickupTo", "deliverBy")  # of these a day without a time is its end
END_OF_DAY = timedelta(hours=23, minutes=59)
CLOCK_CHANGE = (
    "The clocks change then: there is no such time, or there are two. Write its offset, too."
)
UNKNOWN_EXPORT = (
    "Not a time, so this load may be here already. To create it again, leave out the column."
)
# In the groups of three digits that spreadsheets make.
GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")
SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
# What a spreadsheet shows for an error, or for a date in a narrow column.
CELL_ERROR = re.compile(r"#(N/A|#+|[A-Z/0]+[!?])")
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WRITTEN_TIME = re.compile(
    r"(?:[a-z]+,? +)?(\d{1,4}|[a-z]{3,})[-/. ]+(\d{1,2}|[a-z]{3,})[-/., ]+(\d{1,4})"
    r"(?:,?[ T]+(\d{1,2})(?=:| *[ap])(?::(\d{2}))?(?::(\d{2}))?\s*([ap]\.?m\.?)?)?",
    re.IGNORECASE | re.ASCII,
)

# A sheet's name, if there is one, the row's number in it, and its cells.
TableRow = tuple[str | None, int, list[Any]]

ID = Id()
_schema = FileLoadSchema()
KNOWN = {each.data_key or name: each for name, each in _schema.load_fields.items()}
REQUIRED = {name for name, each in KNOWN.items() if each.required}


@dataclass(frozen=True)
class TimeFormat:
    """How to read times without an offset, and whether 3/4 is 3 April."""

    time_zone: str | None = None
    day_first: bool = False


@dataclass
class FileRow:
    """A load's attributes, or its errors by field."""

    row: int
    attributes: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, list[str]] | None = None
    exported: tuple[int, set[datetime]] | None = None
    """The load's id and when it was created, or both times that a spreadsheet may have made of
    that, if the row is from an export."""
    load_id: int | None = None
    already_there: bool = False
    load: dict[str, Any] = field(init=False, repr=False, compare=False)
    """The attributes, if the report shall show them."""


@dataclass
class LoadFile:
    """The rows of a file, the field that each column became, and the columns that were ignored."""

    rows: list[FileRow] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    sheet: str | None = None
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        return sum(row.errors is not None for row in self.rows)

    @property
    def already_there(self) -> int:
        return sum(row.already_there for row in self.rows)

    @property
    def created(self) -> int:
        return len(self.rows) - self.refused - self.already_there


def _letters(name: Any) -> str:
    """Return the letters and digits of a column's name, in lower case."""
    return re.sub(
        r"[\W_]+", "", unicodedata.normalize("NFKC", str(name or "")[:MAX_NAME_LENGTH])
    ).casefold()


NAMES = {_letters(name): name for name in KNOWN} | {
    alias: name for name, aliases in ALIASES.items() for alias in aliases.split()
}


def read_file(file: IO[bytes], media_type: str, times: TimeFormat) -> LoadFile:
    """Read all rows of a file; its first bytes override its type. Raises `import_refused`."""
    kind = MEDIA_TYPES[media_type]
    head = file.read(512)
    file.seek(0)
    if kind == WORKBOOK or head.startswith((ZIP, OLE)):
        with TemporaryFile() as rows:
            _unpack_workbook(file, rows)
            return in_thread(_table)(map(json.loads, rows), times)
    return _read_ndjson(file) if kind == NDJSON else _read_csv(file, times)


def _refused(reason: str) -> BillorError:
    return BillorError("import_refused", reason)


def _unpack_workbook(file: IO[bytes], rows: IO[bytes]) -> None:
    command = [sys.executable, "-I", str(READER)]
    done = subprocess.run(  # noqa: S603 - our own program
        command, input=file.read(), stdout=rows, stderr=subprocess.PIPE
    )
    rows.seek(0)
    if done.returncode == READER_REFUSED:
        raise _refused(done.stderr.decode())
    if done.returncode:
        raise _refused("The workbook is damaged or too large. Save only the sheet with the loads.")


@in_thread
def _read_ndjson(file: IO[bytes]) -> LoadFile:
    found = LoadFile()
    for number, line in enumerate(file, 1):
        if line.strip():
            _add(found, number, partial(_read_json, line))
    return _complete(found)


def _read_json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValidationError("Not valid JSON.") from error


@in_thread
def _read_csv(file: IO[bytes], times: TimeFormat) -> LoadFile:
    data = file.read()
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(f"Line {line} is not UTF-8. Save the file as CSV in UTF-8.") from error
    separators = SEPARATORS
    if named := SEPARATOR_LINE.match(text):
        text, separators = text[named.end() :], named[1]
    separator = max(separators, key=partial(_columns_known, text[:10_000]))
    return _table(_csv_rows(text, separator), times)


def _columns_known(text: str, separator: str) -> int:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    return max((len(_columns(row)) for row in islice(rows, HEADER_ROWS)), default=0)


def _csv_rows(text: str, separator: str) -> Iterator[TableRow]:
    rows = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            if max(map(len, row), default=0) > MAX_CELL_CHARACTERS:
                raise csv.Error("a cell is too long")
            yield None, number, [cell.strip() or None for cell in row]
    except csv.Error as error:
        raise _refused(
            f"Row {number + 1} is not CSV: {error}. Put a cell that has commas, quotes or line "
            "breaks in it in double quotes, and double the quotes inside."
        ) from error


def _table(rows: Iterable[TableRow], times: TimeFormat) -> LoadFile:
    """Read the rows below the header, in the first sheet that has both."""
    nearest: list[str] = []
    found = None
    for sheet, of_sheet in groupby(rows, key=itemgetter(0)):
        below = iter(of_sheet)
        for _, _, cells in islice(below, HEADER_ROWS):
            columns = _columns(cells)
            if set(columns.values()) >= REQUIRED:
                found = _read_rows(sheet, cells, columns, below, times)
                if found.rows:
                    return found
            nearest = max(nearest, [*columns.values()], key=len)
    if found:
        return _complete(found)  # which refuses it
    missing = ", ".join(name for name in KNOWN if name in REQUIRED - {*nearest})
    raise _refused(
        f"No row names the columns {missing}. Put them above the loads. Known are "
        f"{', '.join(KNOWN)}."
    )


def _columns(cells: Sequence[Any]) -> dict[int, str]:
    """Return the fields that a header names, by column."""
    names = ((place, NAMES.get(_letters(cell))) for place, cell in enumerate(cells))
    return {place: name for place, name in names if name}


def _read_rows(
    sheet: str | None,
    header: Sequence[Any],
    columns: Mapping[int, str],
    rows: Iterable[TableRow],
    times: TimeFormat,
) -> LoadFile:
    if twice := {name for name in columns.values() if [*columns.values()].count(name) > 1}:
        raise _refused(f"Name each column once: {', '.join(twice)}.")
    unknown = ((place, str(cell)) for place, cell in enumerate(header) if cell)
    left_out = [name[:MAX_NAME_LENGTH] for place, name in unknown if place not in columns]
    read_as = {str(header[place]): name for place, name in columns.items()}
    found = LoadFile(ignored=left_out, sheet=sheet, columns=read_as)
    places = {_letters(cell): place for place, cell in enumerate(header)}
    titles = {place: header[place] for place, name in columns.items() if name in REQUIRED}
    for _, number, cells in rows:
        repeats_titles = all(cells[place : place + 1] == [titles[place]] for place in titles)
        if any(cells) and not repeats_titles:
            read = partial(_read_cells, cells, columns, len(header), times)
            _add(found, number, read, partial(_exported, cells, places))
    return found


def _add(
    found: LoadFile,
    number: int,
    read: Callable[[], Any],
    exported: Callable[[], Any] = lambda: None,
) -> None:
    if len(found.rows) == MAX_ROWS:
        raise _refused(f"The file has more than {MAX_ROWS:,} rows. Split it into smaller ones.")
    row = FileRow(number)
    try:
        row.exported = exported()
        row.attributes = _schema.load(read())
    except ValidationError as error:
        row.errors = error.normalized_messages()
    found.rows.append(row)


def _complete(found: LoadFile) -> LoadFile:
    if not found.rows:
        raise _refused("The file has no rows. Put one load in each.")
    return found


def _exported(cells: Sequence[Any], places: Mapping[str, int]) -> Any:
    """Return `FileRow.exported` of a row with the columns `id` and `createdAt`."""
    try:
        id_, created_at = (cells[places[name]] for name in ("id", "createdat"))
        id_ = ID.deserialize(int(re.sub(r"\.0+\Z|\D", "", id_)))  # it may be 1,234 or 7.0 now
    except (LookupError, TypeError, ValueError, ValidationError):
        return None
    return created_at and (id_, {_moment(created_at, day_first) for day_first in (False, True)})


def _moment(text: Any, day_first: bool) -> datetime:
    try:
        if ":" not in text:
            raise ValueError(text)
        return datetime.fromisoformat(_read_time("createdAt", text, TimeFormat("UTC", day_first)))
    except (TypeError, ValueError) as error:
        raise ValidationError(UNKNOWN_EXPORT, "createdAt") from error


def _read_cells(
    cells: Sequence[Any], columns: Mapping[int, str], width: int, times: TimeFormat
) -> dict[str, Any]:
    """Return a row as a JSON object; an empty cell is a missing field."""
    if any(cells[width:]):
        raise ValidationError(f"Has {len(cells)} columns, but the header has {width}.")
    return {
        name: _read_cell(name, cells[place], times)
        for place, name in columns.items()
        if place < len(cells) and cells[place]
    }


def _read_cell(name: str, cell: Any, times: TimeFormat) -> Any:
    its_field = KNOWN[name]
    if isinstance(cell, dict):
        raise ValidationError(cell["unreadable"], name)
    if CELL_ERROR.fullmatch(cell):
        raise ValidationError(f"The cell has the error {cell}.", name)
    if isinstance(its_field, Timestamp):
        return _read_time(name, cell, times)
    if isinstance(its_field, Identifier | Phone) and SHORTENED.fullmatch(cell):
        raise ValidationError(
            "A spreadsheet has shortened this number. Format the column as text, and save again.",
            name,
        )
    if isinstance(its_field, fields.String):
        return cell
    try:
        return json.loads(cell.replace(",", "") if GROUPED.fullmatch(cell) else cell)
    except (ValueError, RecursionError):
        return cell  # the schema refuses it


def _read_time(name: str, text: str, times: TimeFormat) -> str:
    """Return a time with its offset, or the text for the schema to refuse."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        match = WRITTEN_TIME.fullmatch(" ".join(text.split()))
        if not match:
            return text
        moment = _written_time(name, match, times.day_first)
    if moment.year not in Timestamp.YEARS:
        raise ValidationError(Timestamp.default_error_messages["year"], name)
    is_day = ":" not in text and moment.time() == time.min
    if is_day and name in ENDS:
        moment += END_OF_DAY
    if moment.tzinfo is None:
        if times.time_zone is None:
            raise ValidationError(
                "Has no time zone. Send timeZone=America/Chicago, or the like, with the file.", name
            )
        moment = moment.replace(tzinfo=ZoneInfo(times.time_zone))
        if not is_day and moment.utcoffset() != moment.replace(fold=1).utcoffset():
            raise ValidationError(CLOCK_CHANGE, name)
    return moment.isoformat()


def _written_time(name: str, match: re.Match[str], day_first: bool) -> datetime:
    try:
        first, second, third, hours, minutes, seconds = (
            MONTHS.index(part[:3].lower()) + 1 if part.isalpha() else int(part)
            for part in match.groups("0")[:6]
        )
        if len(match[1]) == 4 and match[1].isdigit():
            year, month, day = first, second, third
        else:
            year, month, day = third + 2000 * (len(match[3]) == 2), first, second
            has_dots = match.string[match.end(1)] == "."  # as where the day comes first
            day_is_first = month > 12 or ((day_first or has_dots) and day <= 12)
            if match[2].isalpha() or (day_is_first and not match[1].isalpha()):
                month, day = day, month
        if half := match[7]:
            hours = hours % 12 + 12 * (half[0] in "pP") if hours <= 12 else 24
        return datetime(year, month, day, hours, minutes, seconds)  # noqa: DTZ001 - added later
    except ValueError as error:
        raise ValidationError("There is no such time.", name) from error
