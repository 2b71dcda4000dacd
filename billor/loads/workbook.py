"""Reads a workbook (.xlsx, .xls, .ods) in its own process, with limits on memory and CPU time.

A small file may unpack to a huge one in memory. The script reads the workbook from standard input
and writes a line of JSON for each row of the visible sheets: the sheet's name, the row's number,
and its cells as text, null or `{"unreadable": reason}`. If it refuses a workbook, it writes the
reason to standard error and exits with `REFUSED`.
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
from typing import Any
from xml.etree import ElementTree

from python_calamine import (
    CalamineError,
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
    resource.RLIMIT_AS: 768 * 1024**2,
    resource.RLIMIT_CPU: 20,
    resource.RLIMIT_FSIZE: 64 * 1024**2,
    resource.RLIMIT_CORE: 0,
}
NAMESPACES = {
    "": "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
}
CELL, ROW = (f"{{{NAMESPACES['']}}}{tag}" for tag in ("c", "row"))
INEXACT = {
    "unreadable": "A spreadsheet keeps 15 digits of a number, and has lost the others. Format the "
    "column as text, and enter it again."
}
# By row and column: why a cell is unreadable, or how many digits it shows.
Notes = dict[tuple[int, int], str | int]


class TooLargeError(Exception):
    """The workbook is too large. The message has the reason."""


def main() -> None:
    """Read standard input, within `LIMITS`."""
    for limit, value in LIMITS.items():
        with suppress(ValueError):  # macOS does not limit memory
            resource.setrlimit(limit, (value, value))
    try:
        for row in _rows(io.BytesIO(sys.stdin.buffer.read())):
            print(json.dumps(row))
    except TooLargeError as error:
        reason = str(error)
    except PasswordError:
        reason = "The workbook has a password. Save it without one."
    except (CalamineError, zipfile.BadZipFile, ElementTree.ParseError, LookupError):
        reason = "The file is no workbook, or damaged. Open it in a spreadsheet, and save it again."
    else:
        return
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
        first_row, first_column = cells.start or (0, 0)
        for number, row in enumerate(cells.iter_rows(), first_row + 1):
            places = enumerate(row, first_column + 1)
            values = [_read(each, notes.get((number, place))) for place, each in places]
            if any(values):
                yield sheet.name, number, values


def _open_archive(file: io.BytesIO) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(file)
    if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
        raise TooLargeError("The workbook unpacks to more than 50 MB. Save only the loads.")
    if archive.testzip() is not None:  # it is larger than it claims
        raise zipfile.BadZipFile
    return archive


def _read(value: Any, note: str | int | None) -> Any:
    if isinstance(note, str):
        return {"unreadable": note}
    match value:
        case str() if len(value) > MAX_CELL_CHARACTERS:
            raise TooLargeError(f"A cell has more than {MAX_CELL_CHARACTERS:,} characters.")
        case str():
            return value.strip() or None
        case bool() | timedelta():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case int() | float() if abs(value) >= MAX_EXACT_NUMBER:
            return INEXACT
    return format(Decimal(format(value, ".15g")), "f").zfill(note or 0)


def _notes(archive: zipfile.ZipFile, sheet: str) -> Notes:
    """Return what calamine does not report about the cells of an .xlsx workbook."""
    notes: Notes = {}
    if "xl/workbook.xml" not in archive.namelist():
        return notes
    digits = _digits_shown(archive)
    with archive.open(_sheet_part(archive, sheet)) as part:
        for _, element in ElementTree.iterparse(part):
            if element.tag == CELL and element.get("r") and (note := _note(element, digits)):
                letters, row = re.findall("[A-Z]+|[0-9]+", element.get("r", ""))
                column = reduce(lambda number, letter: 26 * number + ord(letter) - 64, letters, 0)
                notes[int(row), column] = note
            elif element.tag == ROW:
                element.clear()
    return notes


def _note(cell: ElementTree.Element, digits: dict[str, int]) -> str | int | None:
    kind, value = cell.get("t"), cell.findtext("v", namespaces=NAMESPACES)
    if kind == "e":
        return f"The cell has the error {value}."
    if kind != "str" and not value and cell.find("f", NAMESPACES) is not None:
        return "The cell's formula has no value. Save the workbook again in a spreadsheet."
    return digits.get(cell.get("s", ""))


def _digits_shown(archive: zipfile.ZipFile) -> dict[str, int]:
    """Return the number of digits of styles with a format like 0000000."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    styles = ElementTree.fromstring(archive.read("xl/styles.xml"))
    formats = styles.iterfind(".//numFmt", NAMESPACES)
    codes = {each.get("numFmtId"): each.get("formatCode", "") for each in formats}
    uses = enumerate(styles.iterfind("cellXfs/xf", NAMESPACES))
    shown = {str(style): codes.get(each.get("numFmtId"), "") for style, each in uses}
    return {style: len(code) for style, code in shown.items() if re.fullmatch("00+", code)}


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the file name of a sheet in the archive."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    sheets = book.iterfind("sheets/sheet", NAMESPACES)
    ids = {each.get("name"): each.get(f"{{{NAMESPACES['r']}}}id") for each in sheets}
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    return posixpath.join("/xl", targets[ids[sheet]]).removeprefix("/")


if __name__ == "__main__":
    main()
