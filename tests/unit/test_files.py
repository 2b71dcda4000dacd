"""Files of loads as people have them: how CSV, NDJSON and workbooks are read."""

import sys
from datetime import UTC, date, datetime
from tempfile import TemporaryFile

import openpyxl
import pytest

from billor.errors import BillorError
from billor.loads import files
from billor.loads.files import CSV, NDJSON, WORKBOOK, FileRow, LoadFile, TimeFormat
from tests.support.workbooks import (
    XLS,
    changed,
    claiming,
    ods,
    saved,
    strict,
    unzipped,
    workbook,
    zipped,
)

HEADER = "origin,destination,cargoType"
NAMES = HEADER.split(",")
LOAD = {"origin": "Dallas, TX", "destination": "Reno, NV", "cargo_type": "Steel"}
CHICAGO_8AM = datetime(2026, 12, 1, 14, tzinfo=UTC)


def read(data: str | bytes, media_type: str = CSV, **times) -> LoadFile:
    with TemporaryFile() as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.seek(0)
        return files.read_file(file, media_type, TimeFormat(**times))


def outcomes(data: str | bytes, media_type: str = CSV, **times) -> list[dict]:
    return [row.attributes or row.errors for row in read(data, media_type, **times).rows]


def refusal(data: str | bytes, media_type: str = CSV) -> str:
    with pytest.raises(BillorError) as refused:
        read(data, media_type)
    assert refused.value.code == "import_refused"
    return refused.value.detail


@pytest.mark.parametrize(
    "text",
    [
        f'{HEADER}\n"Dallas, TX","Reno, NV",Steel\n',
        f'\ufeff{HEADER}\r\n"Dallas, TX", "Reno, NV",  Steel \r\n',
        'From,To,Commodity\r"Dallas, TX","Reno, NV",Steel',
        "ORIGIN\tDestination\tCargo type\nDallas, TX\tReno, NV\tSteel\n",
        "sep=;\norigin;destination;cargo\nDallas, TX;Reno, NV;Steel\n",
        'Loads of today\n\norigin,destination,cargo,,\n"Dallas, TX","Reno, NV",Steel,,\n,,,\n',
        "origin\tdestination\tcargo\nDallas, TX\tReno, NV\tSteel\n".encode("utf-16"),
        "sep=^\r\norigin^to^cargo\r\nDallas, TX^Reno, NV^Steel\r\norigin^to^cargo\r\n",
    ],
)
def test_csv_is_read_as_people_write_it(text):
    assert outcomes(text) == [LOAD]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names the columns origin, destination, cargoType"),
        ("sep=;", "names the columns"),
        (HEADER, "has no rows"),
        ("origin,destination\na,b", "names the columns cargoType"),
        (f"{HEADER},From\na,b,c,d", "Name each column once: origin"),
        (f'{HEADER}\n"a,b,c\nd,e,f', "Row 2 is not CSV"),
        (f"{HEADER}\na,b,{'c' * 32_768}", "a cell is too long"),
        (f"{HEADER}\na,b,c\nd,\u00e9,f".encode("latin-1"), "Line 3 is not UTF-8"),
        (HEADER + "\na,b,c" * 10_001, "more than 10,000 rows"),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_refused_as_a_whole(text, why):
    assert why in refusal(text)


def test_rows_have_their_own_numbers_and_errors():
    found = read(f"{HEADER},Rate,Colour (RAL)\n\na,b,c,7,8\na,,c\na,b,c,7,8,9\n")
    good = {"origin": "a", "destination": "b", "cargo_type": "c"}
    assert found.rows == [
        FileRow(3, good),
        FileRow(4, errors={"destination": ["Missing data for required field."]}),
        FileRow(5, errors={"_schema": ["Has 6 columns, but the header has 5."]}),
    ]
    assert (found.ignored, found.sheet) == (["Rate", "Colour (RAL)"], None)


def test_ndjson_has_an_object_on_each_line():
    text = '{"origin": "Dallas, TX", "destination": "Reno, NV", "cargoType": "Steel"}'
    found = read(f'\n{text}\n[]\nno\n{text[:-1]}, "x": 1}}', NDJSON)
    assert [row.row for row in found.rows] == [2, 3, 4, 5]
    good, *bad = (row.attributes or row.errors for row in found.rows)
    assert good == LOAD
    assert bad == [
        {"_schema": ["Invalid input type."]},
        {"_schema": ["Not valid JSON."]},
        {"x": ["Unknown or read-only field."]},
    ]
    assert "no rows" in refusal("\n \n", NDJSON)


@pytest.mark.parametrize(
    ("text", "times", "expected"),
    [
        ("2026-12-01T08:00:00-06:00", {}, CHICAGO_8AM),
        ("2026-12-01T08:00", {"time_zone": "America/Chicago"}, CHICAGO_8AM),
        ("12/1/2026 8:00 AM", {"time_zone": "America/Chicago"}, CHICAGO_8AM),
        ("12/1/26, 8:00:00 a.m.", {"time_zone": "America/Chicago"}, CHICAGO_8AM),
        ("1.12.2026 15:00", {"time_zone": "Europe/Berlin", "day_first": True}, CHICAGO_8AM),
        ("3/4/2026", {"time_zone": "UTC"}, datetime(2026, 3, 4, tzinfo=UTC)),
        ("3/4/2026", {"time_zone": "UTC", "day_first": True}, datetime(2026, 4, 3, tzinfo=UTC)),
        ("31/4/2026", {"time_zone": "UTC"}, "There is no such time."),
        ("12/1/2026 20:00 AM", {"time_zone": "UTC"}, "There is no such time."),
        ("Tuesday, Dec. 1, 2026 8\u202fAM", {"time_zone": "America/Chicago"}, CHICAGO_8AM),
        ("01-Dec-26 8:00", {"time_zone": "America/Chicago", "day_first": True}, CHICAGO_8AM),
        ("2026-03-08T02:30", {"time_zone": "America/Chicago"}, "The clocks change then"),
        ("11/1/2026 1:30 AM", {"time_zone": "America/Chicago"}, "The clocks change then"),
        ("2026-11-01", {"time_zone": "America/Havana"}, datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("12/1/2026 8:00 AM", {}, "Has no time zone."),
        ("12/1/2126 8:00", {"time_zone": "UTC"}, "The year must be from 2000 to 2100."),
        ("tomorrow", {"time_zone": "UTC"}, "Not a time"),
    ],
)
def test_times_are_read_in_the_zone_that_is_named(text, times, expected):
    (row,) = outcomes(f'{HEADER},Pickup\na,b,c,"{text}"', **times)
    if isinstance(expected, datetime):
        assert row["pickup_at"] == expected
    else:
        assert row["pickupAt"][0].startswith(expected)


def test_a_day_without_a_time_is_its_beginning_or_its_end():
    header = f"{HEADER},Pickup,Pickup until,Delivery from,Delivery"
    (row,) = outcomes(f"{header}\na,b,c,12/1/2026{',2026-12-01' * 3}", time_zone="UTC")
    for start, end in (("pickup_at", "pickup_to"), ("deliver_from", "deliver_by")):
        assert row[start] == datetime(2026, 12, 1, tzinfo=UTC)
        assert row[end] == datetime(2026, 12, 1, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        *(("weightKg", "19000", 19_000), ("Weight (kg)", "19,000", 19_000)),
        *(("Weight (lbs)", "44,000", 19_958), ("lbs", "2", 1), ("Pounds", "220462", 100_000)),
        *(("Weight", "44000", "ignored"), ("Weight (t)", "19", "ignored")),
        *(("lbs", "1", "weightLbs"), ("lbs", "1.5", "weightLbs"), ("kg", "19.000", "weightKg")),
        *(("kg", each, "weightKg") for each in ("44,0", "100,001", "1,000,00", "19 t")),
    ],
)
def test_a_weight_needs_its_unit_and_pounds_are_converted(name, cell, expected):
    found = read(f'{HEADER},{name}\n"Dallas, TX","Reno, NV",Steel,"{cell}"')
    (row,) = found.rows
    if expected == "ignored":
        assert (found.ignored, row.errors) == ([name], None)
    elif row.errors:
        assert list(row.errors) == [expected]
    else:
        assert row.attributes == LOAD | {"weight_kg": expected}


@pytest.mark.parametrize(
    "cell",
    ["1.23457E+15", "1,23457E+15", "4E+05", "#N/A", "#REF!", "#NAME?", "#DIV/0!", "########"],
)
def test_a_number_that_a_spreadsheet_has_lost_is_refused(cell):
    po, phone = outcomes(f'{HEADER},PO #,Pickup phone\na,b,c,"{cell}"\na,b,c,,"{cell}"')
    assert (list(po), list(phone)) == (["reference"], ["pickupPhone"])
    (row,) = outcomes(f"{HEADER},PO #\na,b,c,#39/A")
    assert row["reference"] == "#39/A"


def test_a_workbook_is_read_as_it_is_shown():
    book = openpyxl.Workbook()
    book.active.append(["Loads of the week"])
    book.create_sheet("Template").append(NAMES)
    book.create_sheet("Hidden").sheet_state = "hidden"
    book["Hidden"].append(NAMES)
    sheet = book.create_sheet("Week 49")
    rows = [
        ["Printed on Monday"],
        [None, "Origin", "To", "Cargo", "Order #", "Pickup", "Delivery", "Rate"],
        [None, "Dallas", 75201, 0.1 + 0.2, 420655, datetime(2026, 12, 1, 8), date(2026, 12, 2)],  # noqa: DTZ001
        [],
        [None, "Dallas", "Reno", "Steel", 1234567890123456],
        [None, "Dallas", "Reno", "Steel", "#REF!"],
        [None, "Dallas", "Reno", "Steel", "=1+1"],
        [None, None, "Reno", "Steel", True],
    ]
    for row in rows:
        sheet.append(row)
    sheet["E3"].number_format = "0000000"
    sheet["E6"].data_type = "e"
    found = read(saved(book), WORKBOOK, time_zone="America/Chicago")
    assert (found.sheet, found.ignored) == ("Week 49", ["Rate"])
    good, *bad = found.rows
    assert good == FileRow(
        3,
        {
            "origin": "Dallas",
            "destination": "75201",
            "cargo_type": "0.3",
            "reference": "0420655",
            "pickup_at": CHICAGO_8AM,
            "deliver_by": datetime(2026, 12, 3, 5, 59, tzinfo=UTC),
        },
    )
    assert [row.row for row in bad] == [5, 6, 7, 8]
    reasons = ["keeps 15 digits", "has the error #REF!", "formula has no value"]
    for row, reason in zip(bad, reasons, strict=False):
        assert reason in row.errors["reference"][0]
    assert list(bad[-1].errors) == ["origin"]


def test_a_sheet_has_its_own_row_numbers_merged_cells_and_formats():
    book = openpyxl.Workbook()
    sheet = book.active
    formats = {"0000000": "0420655", '"PO-"0': "PO-420655", "00000\\-0000;@": "00042-0655"}
    formats |= {"[$-409]#00": "420655", "#,##0": "420655", "0.00%": "420655", "0000.0": "420655"}
    table = [
        [None, *NAMES, "Reference", "Rate"],
        *[[None, "Dallas, TX", "Reno, NV", "Steel", 420655]] * 7,
    ]
    for number, row in enumerate([*table, table[0]], 3):
        for column, value in enumerate(row, 1):
            sheet.cell(number, column, value)
    for number, code in enumerate(formats, 4):
        sheet.cell(number, 5).number_format = code
    for merged in ("B4:B10", "F3:G4", "A20:H30"):
        sheet.merge_cells(merged)
    for data in (saved(book), strict(saved(book))):
        found = read(data, WORKBOOK)
        assert [row.row for row in found.rows] == [*range(4, 11)]
        assert [row.attributes for row in found.rows] == [
            LOAD | {"reference": shown} for shown in formats.values()
        ]


def test_an_open_document_sheet_is_read_as_it_is_shown():
    cells = {
        "0420655": 'float" office:value="420655',
        "PO-0042": 'float" office:value="42',
        "1,234": 'float" office:value="1234',
        "#DIV/0!": 'string" office:string-value="" calcext:value-type="error',
    }
    data = unzipped(ods([[], [*NAMES, "Ref"], *(["a", "b", "c", text] for text in cells)]))
    for text, kind in cells.items():
        before, after = (f'"{each}"><text:p>{text}'.encode() for each in ("string", kind))
        data["content.xml"] = data["content.xml"].replace(before, after)
    *good, bad = read(zipped(data), WORKBOOK).rows
    assert [row.row for row in good] == [3, 4, 5]
    assert [row.attributes["reference"] for row in good] == ["0420655", "PO-0042", "1234"]
    assert bad.errors == {"reference": ["The cell has the error #DIV/0!."]}


def test_old_and_open_workbooks_are_read_whatever_their_type_is():
    xls = read(XLS, "application/vnd.ms-excel", time_zone="America/Chicago")
    assert xls.rows == [FileRow(2, LOAD | {"reference": "420655", "pickup_at": CHICAGO_8AM})]
    assert xls.sheet == "Loads"
    rows = [NAMES, ["Dallas, TX", "Reno, NV", "Steel"]]
    for data, media_type in ((ods(rows), WORKBOOK), (workbook(rows), CSV)):
        assert outcomes(data, media_type) == [LOAD]


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHARED = '<c t="s"><v>0</v></c>' * 8000 + "</row>"
TEXTS = f'<sst xmlns="{MAIN}"><si><t>{"x" * 32_000}</t></si></sst>'
LARGE = workbook([NAMES, ["a", "b", "x" * 100]])
MANY = workbook([NAMES, *[["a"]] * 100])
FAR = openpyxl.Workbook()
FAR.active["A1"], FAR.active["XFD1048576"] = "origin", "far"
BOMB = changed(LARGE, "x" * 100, "x" * 60_000_000)
BOMBS = {
    "a cell far away": saved(FAR),
    "a text in many cells": changed(MANY, "</row>", SHARED, TEXTS),
    "damaged": LARGE[:-100],
    "no workbook": b"PK\x03\x04 and no more",
    "an old one": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4096,
    "none of its columns": workbook([["a", "b"]]),
}


def test_sizes_are_checked_before_a_workbook_is_unpacked():
    assert "unpacks to more than 50 MB" in refusal(BOMB, WORKBOOK)
    assert "is no workbook, or damaged" in refusal(claiming(BOMB, 1000), WORKBOOK)


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_workbook_that_is_too_large_or_none_is_refused_outside_of_this_process(data):
    assert len(data) < 400_000
    assert refusal(data, WORKBOOK)
    assert "python_calamine" not in sys.modules
