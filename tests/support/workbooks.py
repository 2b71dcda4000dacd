"""Workbooks as files: made by openpyxl, and from parts written by hand."""

import zipfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import openpyxl

XLS = (Path(__file__).parent / "loads.xls").read_bytes()
"""An empty sheet, and one with a load: reference 420655, pickup on 2026-12-01 at 8:00."""
SHEET = "xl/worksheets/sheet1.xml"
TEXT_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def workbook(rows: Iterable[Sequence]) -> bytes:
    """A workbook of one sheet with these rows."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def strict(book: bytes) -> bytes:
    """The workbook in the namespaces of ISO 29500 Strict, as Excel can save it."""
    file = BytesIO()
    with zipfile.ZipFile(BytesIO(book)) as old, zipfile.ZipFile(file, "w", 8) as new:
        for name in old.namelist():
            text = old.read(name).replace(b"spreadsheetml/2006/main", b"spreadsheetml/main")
            text = text.replace(b"officeDocument/2006", b"officeDocument")
            new.writestr(name, text.replace(b"schemas.openxmlformats.org", b"purl.oclc.org/ooxml"))
    return file.getvalue()


def changed(book: bytes, before: str, after: str, texts: str | None = None) -> bytes:
    """The workbook with something else in its sheet; `texts` is a table of texts to add."""
    file = BytesIO()
    with zipfile.ZipFile(BytesIO(book)) as old, zipfile.ZipFile(file, "w", 8) as new:
        for name in old.namelist():
            text = old.read(name)
            if name == SHEET:
                assert before.encode() in text
                text = text.replace(before.encode(), after.encode())
            new.writestr(name, text)
        if texts is not None:
            new.writestr("xl/sharedStrings.xml", texts)
    return file.getvalue()


def ods(rows: Iterable[Sequence[str]]) -> bytes:
    """An OpenDocument spreadsheet with one sheet of texts."""
    cells = "".join(
        f"<table:table-row>{''.join(map(TEXT_CELL.format, row))}</table:table-row>" for row in rows
    )
    content = f"""<office:document-content xmlns:office="{OFFICE}:office:1.0"
        xmlns:table="{OFFICE}:table:1.0" xmlns:text="{OFFICE}:text:1.0"><office:body>
        <office:spreadsheet><table:table table:name="Loads">{cells}</table:table>
        </office:spreadsheet></office:body></office:document-content>"""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{OFFICE}:manifest:1.0"/>')
    return file.getvalue()
