"""Workbooks as files: made by openpyxl, and from parts written by hand."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
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


def zipped(parts: Mapping[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def unzipped(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(archive)) as parts:
        return {name: parts.read(name) for name in parts.namelist()}


def claiming(book: bytes, size: int) -> bytes:
    """The workbook with another size of its sheet, in the directory at its end and before it."""
    with zipfile.ZipFile(BytesIO(book)) as archive:
        true, false = (
            archive.getinfo(SHEET).file_size.to_bytes(4, "little"),
            size.to_bytes(4, "little"),
        )
    return book.replace(true, false)


def strict(book: bytes) -> bytes:
    """The workbook in the namespaces of ISO 29500 Strict, as Excel can save it."""
    parts = unzipped(book)
    for before, after in (
        (b"spreadsheetml/2006/main", b"spreadsheetml/main"),
        (b"officeDocument/2006", b"officeDocument"),
        (b"schemas.openxmlformats.org", b"purl.oclc.org/ooxml"),
    ):
        parts = {name: data.replace(before, after) for name, data in parts.items()}
    return zipped(parts)


def changed(book: bytes, before: str, after: str, texts: str | None = None) -> bytes:
    """The workbook with something else in its sheet; `texts` is a table of texts to add."""
    parts = unzipped(book)
    assert before.encode() in parts[SHEET]
    parts[SHEET] = parts[SHEET].replace(before.encode(), after.encode())
    return zipped(parts | ({} if texts is None else {"xl/sharedStrings.xml": texts.encode()}))


def ods(rows: Iterable[Sequence[str]]) -> bytes:
    """An OpenDocument spreadsheet with one sheet of texts."""
    cells = "".join(
        f"<table:table-row>{''.join(map(TEXT_CELL.format, row))}</table:table-row>" for row in rows
    )
    content = f"""<office:document-content xmlns:office="{OFFICE}:office:1.0"
        xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
        xmlns:table="{OFFICE}:table:1.0" xmlns:text="{OFFICE}:text:1.0"><office:body>
        <office:spreadsheet><table:table table:name="Loads">{cells}</table:table>
        </office:spreadsheet></office:body></office:document-content>"""
    manifest = f'<m:manifest xmlns:m="{OFFICE}:manifest:1.0"/>'
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    parts = {"content.xml": content.encode(), "META-INF/manifest.xml": manifest.encode()}
    return zipped({"mimetype": kind} | parts)
