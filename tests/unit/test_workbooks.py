"""Loads in .xlsx workbooks: cells by type, sheets, formulas, and files that would harm."""

import io
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time

import openpyxl
import pytest
from marshmallow import fields

from billor.errors import Refused
from billor.http import workbooks
from billor.http.fields import Text, WireSchema
from billor.http.media_types import OLE, XLSX
from billor.http.rows import MAX_ROWS, Row, RowReader
from billor.http.workbooks import MAX_ELEMENTS_OF_ROW, MAX_OTHER_ELEMENTS, MAX_UNPACKED_BYTES
from tests.support.workbooks import MAIN, PARTS, package, saved, workbook

HEADER = ["name", "weightKg", "isFragile"]
HEADER_XML = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in HEADER)


class ParcelSchema(WireSchema):
    name = Text(max_length=100, required=True)
    weight_kg = fields.Integer(strict=True)
    is_fragile = fields.Boolean(truthy={True}, falsy={False})


def read(data: bytes, media_type: str = XLSX) -> list[Row]:
    return list(RowReader(io.BytesIO(data), media_type, ParcelSchema(), ignorable=["id"]))


def loaded(data: bytes) -> list[dict]:
    return [row.attributes or row.errors for row in read(data)]


def refusal(data: bytes, media_type: str = XLSX) -> str:
    with pytest.raises(Refused) as refused:
        read(data, media_type)
    assert refused.value.code == "import_refused"
    return refused.value.detail


def sheet(*rows: str) -> str:
    """Rows in XML below the header."""
    return "".join(f"<row>{row}</row>" for row in (HEADER_XML, *rows))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["a", 18000, True], {"name": "a", "weight_kg": 18000, "is_fragile": True}),
        (["a", 18000.0, False], {"name": "a", "weight_kg": 18000, "is_fragile": False}),
        (["a", "18000", "true"], {"name": "a", "weight_kg": 18000, "is_fragile": True}),
        (["a"], {"name": "a"}),
        (["  a  ", None, " "], {"name": "a"}),
        ([75201], {"name": "75201"}),
        ([0.1 + 0.2], {"name": "0.3"}),
        ([True], {"name": "TRUE"}),
        ([date(2026, 3, 1)], {"name": "2026-03-01"}),
        ([datetime.fromisoformat("2026-03-01T08:30")], {"name": "2026-03-01T08:30:00"}),
        ([time(8, 30)], {"name": "08:30:00"}),
        (["Łódź 🚚"], {"name": "Łódź 🚚"}),
        (["a", 1.5], {"weightKg": ["Not a valid integer."]}),
        (["a", True], {"weightKg": ["Not a valid integer."]}),
        (["a", date(2026, 3, 1)], {"weightKg": ["Not a valid integer."]}),
        ([None, 5], {"name": ["Missing data for required field."]}),
        (["a", 1, True, "x"], {"_schema": ["Has 4 columns, but the header has 3."]}),
    ],
)
def test_cells_are_read_by_their_type(cells, expected):
    assert loaded(workbook([HEADER, cells])) == [expected]


def test_a_sheet_is_a_table_like_a_csv_file():
    rows: list[Sequence] = [
        [],
        [None, " "],
        ["ID", " Name ", "Weight KG", None],
        [7, "a", 1],
        [],
        [None, None, None],
        ["id", "name", "weightKg"],
        [8, "b"],
    ]
    reader = RowReader(io.BytesIO(workbook(rows)), XLSX, ParcelSchema(), ignorable=["id"])
    assert list(reader) == [Row(1, {"name": "a", "weight_kg": 1}), Row(2, {"name": "b"})]
    assert reader.ignored == ["ID"]


def test_the_first_visible_sheet_is_read_with_its_hidden_rows():
    book = openpyxl.Workbook()
    book.active.append(["nothing", "of", "use"])
    book.active.sheet_state = "hidden"
    very_hidden = book.create_sheet()
    very_hidden.sheet_state = "veryHidden"
    book.create_chartsheet()
    loads = book.create_sheet()
    for row in (HEADER, ["a"], ["b"]):
        loads.append(row)
    loads.row_dimensions[2].hidden = True
    loads.column_dimensions["A"].hidden = True
    book.create_sheet().append(["more"])
    assert loaded(saved(book)) == [{"name": "a"}, {"name": "b"}]


def test_merged_cells_have_their_value_in_the_first_one():
    book = openpyxl.Workbook()
    for row in (HEADER, ["a", 1], ["b"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    assert loaded(saved(book)) == [
        {"name": "a", "weight_kg": 1},
        # The row below is blank.
    ]


def test_texts_may_be_shared_or_inline():
    texts = f"<sst {MAIN}><si><r><t>of </t></r><r><t>two</t></r></si></sst>"
    rows = sheet('<c t="s"><v>0</v></c>', '<c t="inlineStr"><is><t>inline</t></is></c>')
    assert loaded(package(rows, {"xl/texts.bin": texts})) == [
        {"name": "of two"},
        {"name": "inline"},
    ]


def test_formulas_are_not_calculated_but_their_values_read():
    rows = sheet(
        '<c t="str"><f>"a"&amp;"b"</f><v>ab</v></c><c><f>1+1</f><v>3</v></c>',
        '<c t="s"><v>0</v></c><c t="str"><f>""</f><v></v></c>',
    )
    assert loaded(package(rows)) == [{"name": "ab", "weight_kg": 3}, {"name": "shared"}]


@pytest.mark.parametrize("value", ["", "<v/>", "<v></v>"])
@pytest.mark.parametrize(("cell", "column"), [('<c r="B3">', "B3"), ("<c>", "B3")])
def test_a_formula_without_its_value_is_refused_by_its_cell(value, cell, column):
    rows = sheet(
        '<c t="inlineStr"><is><t>a</t></is></c><c><v>1</v></c>',
        f'<c t="inlineStr"><is><t>b</t></is></c>{cell}<f>1+1</f>{value}</c>',
    )
    good, bad = read(package(rows))
    assert good.attributes == {"name": "a", "weight_kg": 1}
    (message,) = bad.errors.pop("weightKg")
    assert message.startswith(f"Cell {column} has a formula without its value.")
    assert not bad.errors


def test_an_error_in_a_cell_is_refused_by_its_cell():
    rows = sheet('<c r="A2" t="e"><v>#REF!</v></c>')
    assert loaded(package(rows)) == [{"name": ["Cell A2 has the error #REF!."]}]


def test_a_workbook_may_have_at_most_ten_thousand_rows():
    rows = [[f"Parcel {n}", n] for n in range(MAX_ROWS + 1)]
    assert len(read(workbook([HEADER, *rows[:-1]]))) == MAX_ROWS
    assert "more than 10,000 rows" in refusal(workbook([HEADER, *rows]))


@pytest.mark.parametrize("end", ["A1048576", "XFD1048576"])
def test_a_cell_far_away_costs_no_memory(end):
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    book.active[end] = "far"
    data = saved(book)
    tracemalloc.start()
    try:
        assert "rows or blank lines" in refusal(data)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
BOMBS = {
    "one huge part": package(parts={"xl/media/a.xml": b" " * (MAX_UNPACKED_BYTES + 1)}),
    "many parts": package(parts={f"xl/{n}.xml": "" for n in range(1000)}),
    "entities": package(parts={"xl/sheet.xml": f"{ENTITIES}<worksheet {MAIN}>&b;</worksheet>"}),
    "entities in texts": package(parts={"xl/texts.bin": f"{ENTITIES}<sst {MAIN}>&b;</sst>"}),
    "a row of many cells": package(f"<row>{'<c/>' * MAX_ELEMENTS_OF_ROW}</row>"),
    "many cells": package(f"<row>{'<c/>' * 1900}</row>" * 11),
    "many texts": package(parts={"xl/texts.bin": f"<sst {MAIN}>{'<si/>' * 20_001}</sst>"}),
    "a text in many pieces": package(
        parts={"xl/texts.bin": f"<sst {MAIN}><si>{'<r/>' * 2000}</si></sst>"}
    ),
    "many styles": package(
        parts={
            "xl/workbook.xml": PARTS["xl/workbook.xml"].replace(
                "<sheets>", f"{'<x/>' * MAX_OTHER_ELEMENTS}<sheets>"
            )
        }
    ),
    "a deep one": package(parts={"xl/sheet.xml": f"{'<a>' * 100}{'</a>' * 100}"}),
    "a long tag": package(f'<row a="{"x" * 1_000_000}"/>'),
    "a long comment": package(f"<!--{'x' * 1_000_000}-->"),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_workbook_that_unpacks_to_too_much_is_refused(data, monkeypatch):
    monkeypatch.setattr(workbooks, "MAX_ELEMENTS", 20_000)  # for a quick test
    assert len(data) < 200_000
    tracemalloc.start()
    try:
        assert "Save only the sheet with the loads." in refusal(data)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_part_longer_than_the_package_says_is_not_read_past_that(monkeypatch):
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 100_000)
    data = package(f"<row>{'<c/>' * 100_000}</row>")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo("xl/sheet.xml").file_size
    lying = data.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != data
    assert "damaged" in refusal(lying)


def test_a_row_of_long_texts_is_refused():
    rows = sheet(f"<c t='inlineStr'><is><t>{'x' * 70_000}</t></is></c>")
    assert refusal(package(rows)).startswith("Row 1 is longer than 64 KiB.")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (package(parts={"[Content_Types].xml": None}), "is a ZIP file, but no .xlsx workbook"),
        (package(parts={"[Content_Types].xml": "<Types/>"}), "damaged"),
        (package(parts={"xl/sheet.xml": "<worksheet"}), "damaged"),
        (package(parts={"xl/workbook.xml": None}), "damaged"),
        (package(sheet('<c t="s"><v>9</v></c>')), "damaged"),
        (workbook([HEADER, ["a"]])[:-100], "damaged"),
        (b"PK\x03\x04", "damaged"),
        (b"no ZIP file", "damaged"),
        (b"", "damaged"),
        (workbook([]), "The file has no rows."),
        (workbook([HEADER]), "The file has no rows."),
        (workbook([["a", "b"]]), "must name the columns name. It names a, b."),
        (
            package(parts={"xl/workbook.xml": f"<workbook {MAIN}><sheets/></workbook>"}),
            "no visible",
        ),
    ],
    ids=range(13),
)
def test_what_is_no_workbook_of_loads_is_refused_as_a_whole(data, why):
    assert why in refusal(data)


def test_old_workbooks_and_those_with_a_password_are_refused_by_name():
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4096
    assert refusal(old, OLE) == "The file is an old .xls workbook. Save it as .xlsx or CSV."
    locked = old + "EncryptedPackage".encode("utf-16-le")
    assert refusal(locked, OLE) == "The workbook has a password. Save it without one."
