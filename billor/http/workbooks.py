"""Rows of an .xlsx workbook (ECMA-376): of its first visible sheet, with the values of formulas.

The package is checked before openpyxl reads it, since a small file can unpack to a huge one.
"""

import warnings
import zipfile
from collections.abc import Iterator
from typing import IO, NoReturn, cast
from xml.parsers import expat

from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils import get_column_letter

from billor.errors import Refused
from billor.http.tables import Cell, Unreadable
from billor.http.text_lines import MAX_RECORD_BYTES, Readable, TooLong

# A workbook of 10,000 rows and 25 columns stays far below each of these limits.
MAX_PARTS = 1000
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_ELEMENTS = 600_000
"""In a part: rows and their cells, or texts."""
MAX_ELEMENTS_OF_ROW = 2000
"""In a row, or in a text of the table of texts. openpyxl holds one of them in memory."""
MAX_OTHER_ELEMENTS = 50_000
"""In a part, outside rows and texts: styles, for example. openpyxl holds all of them in memory."""
MAX_DEPTH = 50
ROWS = ("row", "si")  # of a sheet, and of the table of texts
MAX_TAG_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")

# They tell what of a workbook would be lost if it was saved again.
warnings.filterwarnings("ignore", module="openpyxl")


def read_workbook(file: Readable) -> Iterator[list[Cell]]:
    """Yield the values of each row of the first visible sheet; `file` can seek.

    A merged cell has its value in its upper left cell; hidden rows and columns are read like
    others. Raises `Refused` `import_refused`, and `TooLong` for a row.
    """
    try:
        with _Package(cast(IO[bytes], file)) as package:
            yield from _rows(package, cast(IO[bytes], file))
    except (Refused, TooLong):
        raise
    except Exception as error:  # whatever openpyxl raises for what it does not expect
        raise _refused("The .xlsx workbook is damaged. Open it, and save it again.") from error


def refuse_ole(file: Readable) -> NoReturn:
    """Raise `Refused` for an OLE file, which may be one of two kinds of workbook."""
    while line := file.readline(PIECE_BYTES):
        if ENCRYPTED in line:
            raise _refused("The workbook has a password. Save it without one.")
    raise _refused("The file is an old .xls workbook. Save it as .xlsx or CSV.")


def _refused(detail: str) -> Refused:
    return Refused("import_refused", detail)


class _Package(zipfile.ZipFile):
    """A package whose parts are checked before they are read."""

    def __init__(self, file: IO[bytes]):
        super().__init__(file)
        self._checked: dict[str, _Check] = {}
        parts = self.infolist()
        if "[Content_Types].xml" not in self.namelist():
            raise _refused("The file is a ZIP file, but no .xlsx workbook.")
        if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
            raise _refused(
                f"The workbook unpacks to more than {MAX_UNPACKED_BYTES // 1024**2} MiB or "
                f"{MAX_PARTS:,} parts. Save only the sheet with the loads."
            )

    def open(self, name, *args, **kwargs):
        self.check(name)
        return super().open(name, *args, **kwargs)

    def check(self, name: str | zipfile.ZipInfo) -> "_Check":
        """Return what was found in a part. Raises `Refused` if it is not safe to read."""
        name = name.filename if isinstance(name, zipfile.ZipInfo) else name
        if name not in self._checked:
            self._checked[name] = check = _Check()
            with super().open(name) as part:
                check.run(part)
        return self._checked[name]


class _Check:
    """A pass over a part of a package, which holds nothing of it in memory.

    A document type is refused, and with it every entity.
    """

    def __init__(self) -> None:
        self.uncalculated: set[str] = set()
        """The cells that have a formula without its value."""
        self._path: list[str] = []
        self._in_rows = self._others = 0
        self._in_row: int | None = None
        self._row = self._column = 0
        self._cell = ""
        self._has_formula = self._has_value = False
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def run(self, part: IO[bytes]) -> None:
        fed = 0
        while piece := part.read(PIECE_BYTES):
            self._parser.Parse(piece)
            fed += len(piece)
            if fed - self._parser.CurrentByteIndex > MAX_TAG_BYTES + PIECE_BYTES:
                self._refuse()
        self._parser.Parse(b"", True)

    def _refuse(self, *_) -> NoReturn:
        raise _refused(
            "The workbook has more in it than a list of loads. Save only the sheet with the loads."
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition("}")[2]
        self._path.append(tag)
        self._count(tag)
        match tag:
            case "row":
                self._row = int(attributes.get("r", self._row + 1))
                self._column = 0
            case "c":
                self._column += 1
                self._cell = attributes.get("r") or f"{get_column_letter(self._column)}{self._row}"
                self._has_formula = False
                self._has_value = attributes.get("t") == "str"  # of which some are empty
            case "f":
                self._has_formula = True

    def _count(self, tag: str) -> None:
        if tag in ROWS:
            self._in_row = 0
        if self._in_row is None:
            self._others += 1
        else:
            self._in_row += 1
            self._in_rows += 1
        if (
            self._in_rows > MAX_ELEMENTS
            or (self._in_row or 0) > MAX_ELEMENTS_OF_ROW
            or self._others > MAX_OTHER_ELEMENTS
            or len(self._path) > MAX_DEPTH
        ):
            self._refuse()

    def _text(self, _text: str) -> None:
        if self._path[-1] == "v":
            self._has_value = True

    def _end(self, _name: str) -> None:
        tag = self._path.pop()
        if tag in ROWS:
            self._in_row = None
        elif tag == "c" and self._has_formula and not self._has_value:
            self.uncalculated.add(self._cell)


class _Reader(ExcelReader):
    """openpyxl's reader without what has no cells, and may fail for reasons of its own."""

    def __init__(self, file: IO[bytes], package: _Package):
        super().__init__(file, read_only=True, data_only=True, keep_links=False)
        self.archive = package

    def read(self) -> None:
        self.read_manifest()
        self.read_strings()
        self.read_workbook()
        apply_stylesheet(self.archive, self.wb)
        self.read_worksheets()

    def read_chartsheet(self, *_) -> None:
        """Skip a sheet that is a chart."""


def _rows(package: _Package, file: IO[bytes]) -> Iterator[list[Cell]]:
    reader = _Reader(file, package)
    reader.read()
    visible = [sheet for sheet in reader.wb.worksheets if sheet.sheet_state == "visible"]
    if not visible:
        raise _refused("The workbook has no visible sheet.")
    sheet = visible[0]
    sheet.reset_dimensions()  # those in the file may be wrong
    uncalculated = package.check(sheet._worksheet_path).uncalculated
    for row in sheet.iter_rows():
        values = [_value(cell, uncalculated) for cell in row]
        if sum(len(value) for value in values if isinstance(value, str)) > MAX_RECORD_BYTES:
            raise TooLong
        yield values


def _value(cell: ReadOnlyCell | EmptyCell, uncalculated: set[str]) -> Cell:
    if isinstance(cell, EmptyCell):
        return None
    if cell.data_type == "e":
        return Unreadable(f"Cell {cell.coordinate} has the error {cell.value}.")
    if uncalculated and cell.coordinate in uncalculated:
        return Unreadable(
            f"Cell {cell.coordinate} has a formula without its value. Open the workbook in a "
            "spreadsheet, and save it again."
        )
    return cell.value
