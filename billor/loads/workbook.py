"""Reads a workbook (.xlsx, .xls, .ods) in its own process, with limits on memory and CPU time.

A small file may unpack to a huge one in memory. Each row of the visible sheets becomes a line of
JSON: the sheet's name, the row's number, and its cells as text, null or `{"unreadable": reason}`.
"""

import io
import json
import posixpath
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, NoReturn
from xml.etree import ElementTree

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

REFUSED = 3
MAX_UNPACKED_BYTES = 50_000_000
MAX_CELL_CHARACTERS = 32_767  # as in Excel
MAX_EXACT_NUMBER = 10**15
LIMITS = {
    resource.RLIMIT_AS: 384 * 1024**2,
    resource.RLIMIT_CPU: 20,
    resource.RLIMIT_FSIZE: 64 * 1024**2,
    resource.RLIMIT_CORE: 0,
}
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
INEXACT = {
    "unreadable": "A spreadsheet keeps 15 digits of a number, and has lost the others. Format the "
    "column as text, and enter it again."
}
# The parts of a number's format: a digit, a text, or what takes no place.
FORMAT_PART = re.compile(r'(0)|"([^"]*)"|\\(.)|([-/() ])|\[[^]]*]|_.|^[#?]+(?=0)')
# What is shown of a number: None is a digit.
Places = list[str | None]
# By row and column: why a cell is unreadable, or how its number is shown.
Notes = dict[tuple[int, int], str | Places]


def main() -> None:
    """Read standard input, within `LIMITS`."""
    for limit, value in LIMITS.items():
        with suppress(ValueError):  # macOS does not limit memory
            resource.setrlimit(limit, (value, value))
    try:
        for row in _rows(io.BytesIO(sys.stdin.buffer.read())):
            print(json.dumps(row))
    except PasswordError:
        _refuse("The workbook has a password. Save it without one.")
    except (CalamineError, zipfile.BadZipFile, ElementTree.ParseError, LookupError):
        _refuse("The file is no workbook, or damaged. Open it in a spreadsheet, and save it again.")


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(reason)
    sys.exit(REFUSED)


def _rows(file: io.BytesIO) -> Iterator[tuple[str, int, list[Any]]]:
    archive = _open_archive(file) if zipfile.is_zipfile(file) else None
    file.seek(0)
    workbook = CalamineWorkbook.from_filelike(file)
    for sheet in workbook.sheets_metadata:
        if sheet.visible != SheetVisibleEnum.Visible or sheet.typ != SheetTypeEnum.WorkSheet:
            continue
        notes = _notes(archive, sheet.name) if archive else {}
        cells = workbook.get_sheet_by_name(sheet.name)
        _, first_column = cells.start or (0, 0)
        for number, row in enumerate(_unmerged(cells, first_column), 1):
            places = enumerate(row, first_column + 1)
            values = [_read(each, notes.get((number, place))) for place, each in places]
            if any(values):
                yield sheet.name, number, values


def _unmerged(cells: CalamineSheet, first_column: int) -> list[list[Any]]:
    """Return all rows; a cell merged over several of them is in each."""
    rows = list(cells.iter_rows())
    for (top, left), (bottom, _) in cells.merged_cell_ranges or ():
        if 0 <= (column := left - first_column) < cells.width:
            for row in rows[top + 1 : bottom + 1]:
                row[column] = rows[top][column]
    return rows


def _open_archive(file: io.BytesIO) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(file)
    if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
        _refuse("The workbook unpacks to more than 50 MB. Save only the loads.")
    if archive.testzip() is not None:  # it is larger than it claims
        raise zipfile.BadZipFile
    return archive


def _read(value: Any, note: str | Places | None) -> Any:
    if isinstance(note, str):
        return {"unreadable": note}
    match value:
        case str() if len(value) > MAX_CELL_CHARACTERS:
            _refuse(f"A cell has more than {MAX_CELL_CHARACTERS:,} characters.")
        case str():
            return value.strip() or None
        case bool() | timedelta():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case int() | float() if abs(value) >= MAX_EXACT_NUMBER:
            return INEXACT
    number = format(Decimal(format(value, ".15g")), "f")
    return _shown(number, note) if note and number.isdigit() else number


def _shown(number: str, places: Places) -> str:
    """Put the digits in their places; the first takes those that are left over."""
    number = number.zfill(places.count(None))
    first = len(number) - places.count(None) + 1
    digits = iter([number[:first], *number[first:]])
    return "".join(next(digits) if part is None else part for part in places)


def _notes(archive: zipfile.ZipFile, sheet: str) -> Notes:
    """Return what calamine does not report about the cells of a sheet."""
    if "content.xml" in archive.namelist():
        return _notes_of_ods(archive, sheet)
    return _notes_of_xlsx(archive, sheet) if "xl/workbook.xml" in archive.namelist() else {}


def _notes_of_ods(archive: zipfile.ZipFile, sheet: str) -> Notes:
    notes: Notes = {}
    with archive.open("content.xml") as part:
        for event, element in ElementTree.iterparse(part, ("start", "end")):
            if event == "start" and element.tag == f"{TABLE}table":
                row, is_wanted = 1, element.get(f"{TABLE}name") == sheet
            elif event == "end" and element.tag == f"{TABLE}table-row":
                column = 1
                for cell in element:
                    if is_wanted and (note := _note_of_ods(cell)):
                        notes[row, column] = note
                    column += int(cell.get(f"{TABLE}number-columns-repeated", "1"))
                row += int(element.get(f"{TABLE}number-rows-repeated", "1"))
                element.clear()
    return notes


def _note_of_ods(cell: ElementTree.Element) -> str | Places | None:
    shown, number = cell.findtext("{*}p", ""), cell.get(f"{OFFICE}value", "")
    if "error" in cell.attrib.values():
        return f"The cell has the error {shown}."
    is_same = re.sub("[^0-9.,%]", "", shown).lstrip("0") == number != ""
    return [shown] if is_same else None


def _notes_of_xlsx(archive: zipfile.ZipFile, sheet: str) -> Notes:
    notes: Notes = {}
    formats = _formats(archive)
    with archive.open(_sheet_part(archive, sheet)) as part:
        for _, element in ElementTree.iterparse(part):
            is_cell = element.tag.endswith("}c") and element.get("r")
            if is_cell and (note := _note(element, formats)):
                letters, row = re.findall("[A-Z]+|[0-9]+", element.get("r", ""))
                column = reduce(lambda number, letter: 26 * number + ord(letter) - 64, letters, 0)
                notes[int(row), column] = note
            elif element.tag.endswith("}row"):
                element.clear()
    return notes


def _note(cell: ElementTree.Element, formats: dict[str, Places]) -> str | Places | None:
    kind, value = cell.get("t"), cell.findtext("{*}v")
    if kind == "e":
        return f"The cell has the error {value}."
    if kind != "str" and not value and cell.find("{*}f") is not None:
        return "The cell's formula has no value. Save the workbook again in a spreadsheet."
    return formats.get(cell.get("s", ""))


def _formats(archive: zipfile.ZipFile) -> dict[str, Places]:
    """Return how styles show whole numbers, such as 0420655 or PO-42."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    styles = ElementTree.fromstring(archive.read("xl/styles.xml"))
    formats = styles.iterfind("{*}numFmts/{*}numFmt")
    codes = {each.get("numFmtId"): each.get("formatCode", "") for each in formats}
    uses = enumerate(styles.iterfind("{*}cellXfs/{*}xf"))
    shown = {str(style): _places(codes.get(each.get("numFmtId"), "")) for style, each in uses}
    return {style: places for style, places in shown.items() if None in places}


def _places(code: str) -> Places:
    code = code.partition(";")[0]
    if FORMAT_PART.sub("", code):
        return []
    return [None if p[1] else p[2] or p[3] or p[4] or "" for p in FORMAT_PART.finditer(code)]


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the file name of a sheet in the archive."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    names = {each.get("name"): each for each in book.iterfind("{*}sheets/{*}sheet")}
    (id_,) = (value for key, value in names[sheet].items() if key.endswith("}id"))
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    return posixpath.join("/xl", targets[id_]).removeprefix("/")


if __name__ == "__main__":
    main()
