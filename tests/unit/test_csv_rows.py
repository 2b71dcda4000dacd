"""CSV as spreadsheets and people write it, read as rows of a small schema."""

import io

import pytest
from marshmallow import fields

from billor.errors import Refused
from billor.http.fields import Text, WireSchema
from billor.http.media_types import CSV, NDJSON
from billor.http.rows import MAX_ROWS, Row, RowReader


class ParcelSchema(WireSchema):
    name = Text(max_length=10, required=True)
    cargo_type = Text(max_length=10, required=True)
    weight_kg = fields.Integer(strict=True)
    id = fields.Integer(dump_only=True)


def reader(text: str | bytes, media_type: str = CSV) -> RowReader:
    file = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return RowReader(file, media_type, ParcelSchema(), ignorable=["id", "createdAt"])


def loaded(text: str | bytes) -> list[dict]:
    return [row.attributes or row.errors for row in reader(text)]


def refusal(text: str | bytes) -> str:
    with pytest.raises(Refused) as refused:
        list(reader(text))
    assert refused.value.code == "import_refused"
    return refused.value.detail


TWO = [
    {"name": "a", "cargo_type": "b", "weight_kg": 1},
    {"name": "c", "cargo_type": "d"},
]


@pytest.mark.parametrize(
    "header",
    [
        "name,cargoType,weightKg",
        "NAME,CARGOTYPE,WEIGHTKG",
        " Name , Cargo Type , Weight Kg ",
        "name,cargo_type,weight_kg",
        "name,cargo-type,Weight (kg)",
        '"name", "cargoType", "weightKg"',
        '\ufeff"name","cargoType","weightKg"',
        "\u00a0name,cargo\u00a0type,weight kg",
        "\uff4e\uff41\uff4d\uff45,cargoType,weightKg",
        "name,cargoType,weightKg,,",
        '"na\nme",cargoType,weightKg',
    ],
)
def test_a_header_may_name_columns_in_any_case_with_spaces(header):
    assert loaded(f"{header}\na,b,1\nc,d,\n") == TWO


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "end"])
def test_lines_may_end_in_any_way(end, last):
    lines = ["name,cargoType,weightKg", "a,b,1", "c,d,"]
    assert loaded(end.join(lines) + (end if last else "")) == TWO


def test_line_ends_may_be_mixed_in_one_file():
    assert loaded("name,cargoType,weightKg\ra,b,1\r\nc,d,\na,b,1\r") == [*TWO, TWO[0]]


def test_a_file_of_cr_lines_is_read_in_bounded_pieces():
    text = "name,cargoType\r" + "name of it,kind of it\r" * MAX_ROWS
    assert len(text) > 200_000
    assert len(loaded(text)) == MAX_ROWS


def test_line_breaks_in_quotes_stay_in_their_cell():
    assert loaded('name,cargoType\n"a\rb",c\n') == [
        {"name": ["Must not contain U+000D, a line break."]}
    ]


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("first", ["", "sep={}\n", '"sep={}"\r\n', "SEP={}\r\n\r\n"])
def test_the_separator_is_told_by_the_header_or_the_first_line(separator, first):
    rows = ["name,weightKg,cargoType", 'a,1,"b"', "c,,d"]
    text = "\n".join(rows).replace(",", separator)
    assert loaded(first.format(separator) + text) == TWO


def test_a_quote_after_a_space_begins_a_quoted_cell():
    assert loaded('name, cargoType, weightKg\na, "b,;", 1\n "c", "d"\n') == [
        {"name": "a", "cargo_type": "b,;", "weight_kg": 1},
        {"name": "c", "cargo_type": "d"},
    ]


def test_quotes_inside_a_cell_are_data():
    assert loaded('name,cargoType\n5" x,6"\n') == [{"name": '5" x', "cargo_type": '6"'}]


def test_blank_rows_and_cells_at_the_end_are_skipped():
    text = "\n,,\nname,cargoType,weightKg,,\n\n,,,,\na,b,1,,,,\n ,\t, ,\nc,d\n,\n"
    rows = list(reader(text))
    assert [row.attributes for row in rows] == TWO
    assert [row.number for row in rows] == [1, 2]


def test_a_value_below_a_column_without_a_name_is_refused():
    assert loaded("name,,cargoType,\na,,b,\na,x,b\na,,b,,x\n") == [
        {"name": "a", "cargo_type": "b"},
        {"_schema": ["Column 2 has no name in the header."]},
        {"_schema": ["Has 5 columns, but the header has 3."]},
    ]


@pytest.mark.parametrize("again", ["name,cargoType,weightKg", "\ufeffName , Cargo Type,Weight Kg,"])
def test_the_header_of_a_joined_file_is_skipped(again):
    rows = list(reader(f"name,cargoType,weightKg\na,b,1\n{again}\nc,d,\n"))
    assert rows == [Row(number, row) for number, row in enumerate(TWO, start=1)]


def test_a_joined_file_may_have_its_columns_in_another_order():
    assert loaded("name,cargoType,weightKg\na,b,1\ncargoType,id,name\nd,7,c\n") == TWO


def test_a_row_that_only_begins_like_a_header_is_data():
    assert loaded("name,cargoType\nname,b\n") == [{"name": "name", "cargo_type": "b"}]


def test_repeated_headers_are_limited_like_blank_lines():
    text = "name,cargoType\n" * (MAX_ROWS + 2) + "a,b\n"
    assert "rows or blank lines" in refusal(text)


def test_columns_of_an_export_are_left_out_and_named():
    rows = reader("ID,name,cargoType,Created At\n7,a,b,yesterday\n")
    assert [row.attributes for row in rows] == [{"name": "a", "cargo_type": "b"}]
    assert rows.ignored == ["ID", "Created At"]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("name,cargoType,color,colour", "unknown: color, colour."),
        ("name,cargoType,Name", "each column once: name, Name."),
        ("name,cargoType,cargo_type", "each column once: cargoType, cargo_type."),
        ("name,weightKg", "must name the columns cargoType. It names name, weightKg."),
        ("name:cargoType", "must name the columns name, cargoType. It names name:cargoType."),
        ("a,b,c", "must name the columns name, cargoType. It names a, b, c."),
        ('{"name": "a", "cargoType": "b"}', "must name the columns name, cargoType."),
    ],
)
def test_a_header_that_does_not_fit_is_refused_by_name(header, why):
    assert why in refusal(f"{header}\na,b,c,d\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("media_type", [CSV, NDJSON])
def test_utf_16_is_refused_by_that_name(encoding, media_type):
    text = "name,cargoType\na,b\n".encode(encoding)
    with pytest.raises(Refused, match=r"Row 1 is not UTF-8. The file is UTF-16. Save .* as UTF-8."):
        list(reader(text, media_type))
