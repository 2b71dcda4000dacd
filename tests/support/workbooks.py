"""Workbooks as files: made by openpyxl, and from parts written by hand."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

import openpyxl

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
RELATIONSHIPS = "application/vnd.openxmlformats-package.relationships+xml"
PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{PACKAGE}/content-types">
        <Default Extension="rels" ContentType="{RELATIONSHIPS}"/>
        <Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/>
        <Override PartName="/xl/sheet.xml" ContentType="{TYPE}.worksheet+xml"/>
        <Override PartName="/xl/texts.bin" ContentType="{TYPE}.sharedStrings+xml"/></Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>
        </Relationships>""",
    "xl/workbook.xml": f"""<workbook {MAIN} xmlns:r="{OFFICE}">
        <sheets><sheet name="Loads" sheetId="1" r:id="r1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/worksheet" Target="/xl/sheet.xml"/>
        </Relationships>""",
    "xl/texts.bin": f"<sst {MAIN}><si><t>shared</t></si></sst>",
}


def workbook(*sheets: Iterable[Sequence], states: Sequence[str] = ()) -> bytes:
    """A workbook of these sheets, each of some rows, in these states (`visible` by default)."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet()
        sheet.sheet_state = states[number] if states else "visible"
        for row in rows:
            sheet.append(row)
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def package(sheet_data: str = "", parts: Mapping[str, str | bytes | None] | None = None) -> bytes:
    """A workbook with one sheet of these rows in XML; `parts` replace others, None removes."""
    sheet = f"<worksheet {MAIN}><sheetData>{sheet_data}</sheetData></worksheet>"
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (PARTS | {"xl/sheet.xml": sheet} | (parts or {})).items():
            if text is not None:
                archive.writestr(name, text)
    return file.getvalue()
