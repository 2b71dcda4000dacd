"""Importing loads from files: created and refused rows, and the cost."""

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from marshmallow import fields
from sqlalchemy import func, select

from billor.database import transaction
from billor.errors import Refused
from billor.extensions import db
from billor.http.fields import MAX_UNKNOWN_TOLD, Text, WireSchema
from billor.http.media_types import XLSX
from billor.http.rows import MAX_ROWS, RowReader
from billor.http.strict_json import MAX_NAME_TOLD
from billor.http.text_lines import MAX_RECORD_BYTES
from billor.loads import importing
from billor.loads.importing import import_loads, read_loads
from billor.models import Load, LoadEvent
from tests.support.apps import client_with_token
from tests.support.rival import rival
from tests.support.workbooks import workbook

NDJSON = "application/x-ndjson"
CSV = "text/csv"
GOOD = '{"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}'
HEADER = "origin,destination,cargoType\n"

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def client(app):
    return client_with_token(app)


def import_text(text: str | bytes, media_type: str) -> list[importing.RowOutcome]:
    file = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return import_loads(read_loads(file, media_type)).rows


def ndjson(*rows: str) -> list[importing.RowOutcome]:
    return import_text("\n".join(rows), NDJSON)


def stored() -> list[tuple[str, str, str]]:
    """Origin, destination and cargo type of all loads, in the order of their ids."""
    rows = db.session.execute(
        select(Load.origin, Load.destination, Load.cargo_type).order_by(Load.id)
    )
    return [tuple(row) for row in rows]


def refused(text: str | bytes, media_type: str) -> str:
    """Return why the file is refused as a whole; check that nothing of it is stored."""
    with pytest.raises(Refused) as refusal:
        import_text(text, media_type)
    assert refusal.value.code == "import_refused"
    assert stored() == []
    return refusal.value.detail


def make_ndjson(count: int) -> str:
    return "".join(
        f'{{"origin": "Town {n}", "destination": "B", "cargoType": "C"}}\n' for n in range(count)
    )


def make_csv(count: int) -> str:
    return HEADER + "".join(f"Town {n},B,C\n" for n in range(count))


@pytest.mark.parametrize(("make", "media_type"), [(make_ndjson, NDJSON), (make_csv, CSV)])
def test_every_good_row_becomes_a_load_with_its_event_in_order(make, media_type, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 4)
    outcomes = import_text(make(10), media_type)

    assert [outcome.row for outcome in outcomes] == list(range(1, 11))
    assert all(outcome.errors is None for outcome in outcomes)
    loads = db.session.scalars(select(Load).order_by(Load.id)).all()
    assert [load.id for load in loads] == [outcome.load_id for outcome in outcomes]
    assert [load.origin for load in loads] == [f"Town {n}" for n in range(10)]
    assert {load.status for load in loads} == {"OPEN"}
    events = {event.load_id: event for event in db.session.scalars(select(LoadEvent))}
    assert len(events) == 10
    for load in loads:
        assert events[load.id].type == "load.created"
        assert events[load.id].payload["load"]["origin"] == load.origin


def test_invalid_rows_do_not_prevent_valid_ones():
    outcomes = ndjson(GOOD, '{"origin": ""}', GOOD)
    assert [outcome.row for outcome in outcomes] == [1, 2, 3]
    assert [outcome.load_id is None for outcome in outcomes] == [False, True, False]
    assert outcomes[1].errors == {
        "origin": ["Length must be between 1 and 200."],
        "destination": ["Missing data for required field."],
        "cargoType": ["Missing data for required field."],
    }
    assert len(stored()) == 2


@pytest.mark.parametrize(
    "row",
    [
        "{}",
        "[]",
        "null",
        "1e400",
        "NaN",
        '"text"',
        '[{"origin": "A"}]',
        GOOD.replace('"Dry van"', "1e400"),
        GOOD.replace('"Dry van"', "NaN"),
        GOOD.replace('"Dry van"', "null"),
        GOOD.replace('"Dry van"', "true"),
        GOOD.replace('"Dry van"', '["Dry van"]'),
        GOOD.replace("Dry van", "  "),
        GOOD.replace("Dry van", "a\\u0000b"),
        GOOD.replace("Dry van", "a\\ud800b"),
        GOOD.replace("Dry van", "a\\nb"),
        GOOD.replace("Dry van", "x" * 60_000),
        GOOD.replace("cargoType", "cargo\\ud800"),
        GOOD.replace("{", '{"id": 1, "status": "OPEN", "weight": 2, ', 1),
    ],
    ids=range(19),
)
def test_an_imported_row_is_refused_like_a_single_load(client, row):
    alone = client.post("/loads", data=row, content_type="application/json")
    assert alone.status_code == 422
    (outcome,) = ndjson(row)
    assert outcome.load_id is None
    assert outcome.errors == alone.json["errors"]
    assert stored() == []


@pytest.mark.parametrize("value", ["🚚 Łódź", "مرحبا", '\\"quoted\\"', "x" * 100, "  trimmed  "])
def test_an_imported_row_is_accepted_like_a_single_load(client, value):
    row = GOOD.replace("Dry van", value)
    alone = client.post("/loads", data=row, content_type="application/json")
    assert alone.status_code == 201, alone.text
    (outcome,) = ndjson(row)
    assert outcome.errors is None
    assert len(set(stored())) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "Not valid JSON."),
        (GOOD[:-1], "Not valid JSON."),
        (GOOD + GOOD, "Not valid JSON."),
        ("origin,destination", "Not valid JSON."),
        ("\0", "Not valid JSON."),
        ("[" * 60_000, "Not valid JSON."),
        ('{"a":' * 10_000, "Not valid JSON."),
        ("1" * 5_000, "Not valid JSON."),
    ],
    ids=range(8),
)
def test_a_row_of_invalid_json_is_refused_alone(row, message):
    bad, good = ndjson(row, GOOD)
    assert bad.errors == {"_schema": [message]}
    assert good.load_id is not None


def test_a_row_with_a_duplicate_field_is_refused_by_name():
    (bad,) = ndjson(GOOD.replace("{", '{"origin": "Reno, NV", ', 1))
    assert bad.errors == {"origin": ["Is there twice."]}


def test_the_errors_of_a_refused_row_are_bounded():
    fields = ", ".join(f'"{n}{"x" * 200}": 0' for n in range(100))
    (outcome,) = ndjson(f"{{{fields}}}")
    assert len(outcome.errors) == MAX_UNKNOWN_TOLD + len(json.loads(GOOD))
    assert max(map(len, outcome.errors)) <= MAX_NAME_TOLD


@pytest.mark.parametrize(
    "text",
    [
        "origin,destination,cargoType\na,b,c\nd,e,f\n",
        "origin,destination,cargoType\r\na,b,c\r\nd,e,f\r\n",
        "origin,destination,cargoType\na,b,c\nd,e,f",
        "\ufefforigin,destination,cargoType\na,b,c\nd,e,f\n",
        '\ufeff"origin","destination","cargoType"\n"a","b","c"\n"d","e","f"\n',
        "cargoType,origin,destination\nc,a,b\nf,d,e\n",
        "origin, destination, cargoType\na, b, c\nd, e, f\n",
        "\n\norigin,destination,cargoType\n\r\na,b,c\n  \nd,e,f\n\n",
    ],
    ids=["LF", "CRLF", "no end", "BOM", "BOM, quotes", "order", "spaces", "blank lines"],
)
def test_csv_is_read_in_every_usual_form(text):
    assert [outcome.row for outcome in import_text(text, CSV)] == [1, 2]
    assert stored() == [("a", "b", "c"), ("d", "e", "f")]


def test_quotes_commas_and_line_breaks_stay_inside_their_field():
    text = HEADER + '"Dallas, TX","the ""Hub"", GA",5" pipe\n"a\r\nb",c,d\n"\n e \n",f,g\n'
    first, second, third = import_text(text, CSV)
    assert second.errors == {"origin": ["Must not contain U+000D, a line break."]}
    assert (first.errors, third.errors) == (None, None)
    assert stored() == [("Dallas, TX", 'the "Hub", GA', '5" pipe'), ("e", "f", "g")]


def test_a_csv_row_needs_the_columns_of_the_header():
    few, many, good = import_text(HEADER + "a,b\na,b,c,d\na,b,c\n", CSV)
    assert few.errors == {"cargoType": ["Missing data for required field."]}
    assert many.errors == {"_schema": ["Has 4 columns, but the header has 3."]}
    assert good.load_id is not None


class ParcelSchema(WireSchema):
    name = Text(max_length=10, required=True)
    weight_kg = fields.Integer(strict=True)
    is_fragile = fields.Boolean(truthy={True}, falsy={False})


def test_optional_columns_may_be_missing_and_cells_are_converted_by_type():
    def loaded(text: str) -> list[dict]:
        rows = RowReader(io.BytesIO(text.encode()), CSV, ParcelSchema())
        return [row.attributes or row.errors for row in rows]

    assert loaded("name\n1\n") == [{"name": "1"}]
    assert loaded("weightKg,name,isFragile\n5,1,true\n , 2,\n") == [
        {"name": "1", "weight_kg": 5, "is_fragile": True},
        {"name": "2"},
    ]
    assert loaded("name,weightKg\na,heavy\nb,1.5\n,1\n") == [
        {"weightKg": ["Not a valid integer."]},
        {"weightKg": ["Not a valid integer."]},
        {"name": ["Missing data for required field."]},
    ]


def test_blank_lines_do_not_count():
    outcomes = import_text(f"\ufeff\n{GOOD}\r\n\n   \n{{}}\n\n", NDJSON)
    assert [(outcome.row, outcome.errors is None) for outcome in outcomes] == [
        (1, True),
        (2, False),
    ]


@pytest.mark.parametrize(
    ("text", "media_type", "why"),
    [
        ("", NDJSON, "The file has no rows."),
        ("\n \n", NDJSON, "The file has no rows."),
        ("", CSV, "The file has no rows."),
        (HEADER, CSV, "The file has no rows."),
        (GOOD.encode() + b"\n\xff\xfe\n", NDJSON, "Row 2 is not UTF-8."),
        (GOOD.encode("utf-16"), NDJSON, "Row 1 is not UTF-8."),
        (HEADER.encode() + b"a,b,c\nM\xfcnchen,b,c\n", CSV, "Row 2 is not UTF-8."),
        (HEADER.encode() + b"a,\xed\xa0\x80,c\n", CSV, "Row 1 is not UTF-8."),
        (f"{GOOD}\n{'x' * MAX_RECORD_BYTES}\n", NDJSON, "Row 2 is longer than 64 KiB."),
        (f"{HEADER}a,b,c\n{'x' * MAX_RECORD_BYTES}\n", CSV, "Row 2 is longer than 64 KiB."),
        (HEADER + '"a\nb",' * 20_000 + "\n", CSV, "Row 1 is longer than 64 KiB."),
        (HEADER + 'a,b,c\n"a,b,c\n', CSV, "Row 2 is not CSV."),
        (HEADER + 'a,b,c\n"a"b,b,c\n', CSV, "Row 2 is not CSV."),
        ("origin,destination\na,b\n", CSV, "must name the columns cargoType. It names origin, d"),
        ("origin,destination,cargoType,idle\na,b,c,1\n", CSV, "It names .*, idle."),
        ("origin,origin,destination,cargoType\na,a,b,c\n", CSV, "It names origin, origin,"),
        ('"a\nb"\nc\n', CSV, r"It names a\\nb."),
        (GOOD, CSV, "must name the columns origin, destination, cargoType"),
    ],
    ids=range(18),
)
def test_a_malformed_file_is_refused_as_a_whole(text, media_type, why, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 1)  # so that the rows before were created
    assert re.search(why, refused(text, media_type))


@pytest.mark.parametrize(("start", "media_type"), [("", NDJSON), (HEADER, CSV)])
def test_the_length_limit_applies_to_a_row_not_the_file(start, media_type):
    outcomes = import_text(start + f"{'x' * 60_000}\n" * 3, media_type)
    assert [outcome.row for outcome in outcomes] == [1, 2, 3]


def test_a_file_may_have_at_most_ten_thousand_rows():
    outcomes = import_text("1\n" * MAX_ROWS, NDJSON)
    assert len(outcomes) == MAX_ROWS == 10_000
    why = refused(f"{GOOD}\n" + "1\n" * MAX_ROWS, NDJSON)
    assert why == "The file has more than 10,000 rows or blank lines. Split it into smaller ones."


@pytest.mark.parametrize(
    ("start", "row", "media_type"), [("", GOOD, NDJSON), (HEADER, "a,b,c", CSV)]
)
def test_a_file_may_have_at_most_ten_thousand_blank_lines(start, row, media_type):
    assert "blank lines" in refused(start + "\n" * (MAX_ROWS + 1) + row, media_type)
    assert len(import_text(start + "\n" * MAX_ROWS + row, media_type)) == 1


class Endless:
    """A file that begins with `start` and repeats the same piece forever."""

    def __init__(self, start: bytes, piece: bytes):
        self._start = io.BytesIO(start)
        self._piece = piece
        self.given = 0

    def readline(self, limit):
        line = self._start.readline(limit) or self._piece[:limit]
        self.given += len(line)
        return line


@pytest.mark.parametrize(
    ("start", "piece", "media_type"),
    [
        (b"", b"x" * 10**6, NDJSON),
        (HEADER.encode(), b"x" * 10**6, CSV),
        (HEADER.encode() + b'"', b"x\n", CSV),
    ],
    ids=["NDJSON", "CSV", "open quote"],
)
def test_an_overlong_row_is_not_read_past_its_limit(start, piece, media_type):
    file = Endless(start, piece)
    with pytest.raises(Refused, match="longer than 64 KiB"):
        import_loads(read_loads(file, media_type))
    assert file.given <= len(start) + MAX_RECORD_BYTES + 1


def test_a_chunk_costs_few_statements(statements):
    with statements:
        import_text(make_ndjson(importing.CHUNK_ROWS), NDJSON)
    assert len(statements.sent) < 10, statements.sent


def test_an_import_is_rolled_back_with_its_outer_transaction(monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_ROWS", 1)

    class Later(Exception):
        """A failure after the import."""

    def import_and_fail():
        with transaction():
            assert len(ndjson(GOOD, GOOD)) == 2
            raise Later

    with pytest.raises(Later):
        import_and_fail()
    assert stored() == []
    assert db.session.scalar(select(func.count()).select_from(LoadEvent)) == 0


def test_an_import_invalidates_cached_pages(client):
    assert client.get("/loads").json == []
    ndjson(GOOD)
    assert len(client.get("/loads").json) == 1


def test_a_row_whose_reference_a_load_has_is_already_there():
    first, *_ = ndjson(with_reference("PO-1"))
    outcomes = ndjson(
        with_reference("po 1"), GOOD, with_reference("PO-2"), with_reference("po2"), GOOD
    )
    assert [outcome.errors for outcome in outcomes] == [None] * 5
    assert [outcome.already_there for outcome in outcomes] == [True, False, False, True, False]
    assert outcomes[0].load_id == first.load_id
    assert outcomes[3].load_id == outcomes[2].load_id
    created = [outcome.load_id for outcome in outcomes if not outcome.already_there]
    assert created == sorted(created)
    assert len(stored()) == 4


def test_a_file_with_references_can_be_imported_again():
    rows = [with_reference(f"PO-{number}") for number in range(3)]
    before = ndjson(*rows[:2])
    loads = stored()
    again = ndjson(*rows)
    assert [outcome.already_there for outcome in again] == [True, True, False]
    assert [outcome.load_id for outcome in again[:2]] == [outcome.load_id for outcome in before]
    assert stored()[:2] == loads
    assert db.session.scalar(select(func.count()).select_from(LoadEvent)) == 3


def with_reference(reference: str) -> str:
    return json.dumps(json.loads(GOOD) | {"reference": reference})


def test_csv_has_references_in_a_column_of_which_cells_may_be_empty():
    outcomes = import_text("reference,origin,destination,cargoType\nPO-1,a,b,c\n,a,b,c\n", CSV)
    assert [outcome.errors for outcome in outcomes] == [None, None]
    assert db.session.scalars(select(Load.reference).order_by(Load.id)).all() == ["PO-1", None]


def test_an_import_waits_for_another_with_the_same_reference(app):
    with rival(app) as other, ThreadPoolExecutor(1) as threads:
        other.execute(
            "INSERT INTO loads (origin, destination, cargo_type, status, reference)"
            " VALUES ('A', 'B', 'C', 'OPEN', 'PO-1')"
        )
        rows = "\n".join([GOOD, with_reference("po1"), with_reference("PO-2")])

        def import_there() -> list[importing.RowOutcome]:
            with app.app_context():
                return import_text(rows, NDJSON)

        outcomes = threads.submit(import_there)
        other.wait_until_waited_for()
        other.insist()
        good, already_there, another = outcomes.result(30)
    assert (good.already_there, another.already_there) == (False, False)
    assert (already_there.already_there, already_there.load_id) == (True, 1)
    assert len(stored()) == 3


def test_csv_has_times_in_columns_of_which_cells_may_be_empty():
    header = "Pickup At,origin,destination,cargo_type,deliver by\n"
    outcomes = import_text(
        header
        + "2026-03-01T08:00:00-06:00,A,B,C,2026-03-02T08:00:00Z\n"
        + ",A,B,C,\n"
        + "2026-03-01,A,B,C,2026-03-02T08:00:00Z\n"
        + "2026-03-02T08:00:00Z,A,B,C,2026-03-02T07:59:59Z\n",
        CSV,
    )
    invalid = "Not a time of RFC 3339, with an offset: like 2026-01-31T12:00:00Z."
    assert [outcome.errors for outcome in outcomes] == [
        None,
        None,
        {"pickupAt": [invalid]},
        {"deliverBy": ["Must not be before `pickupAt`."]},
    ]
    loads = db.session.scalars(select(Load).order_by(Load.id)).all()
    assert [(load.pickup_at, load.deliver_by) for load in loads] == [
        (datetime(2026, 3, 1, 14, tzinfo=UTC), datetime(2026, 3, 2, 8, tzinfo=UTC)),
        (None, None),
    ]


def test_a_workbooks_times_are_text_since_a_date_has_no_offset():
    columns = ["origin", "destination", "cargoType", "pickupAt"]
    data = workbook(
        [
            columns,
            ["A", "B", "C", "2026-03-01T08:00:00Z"],
            ["A", "B", "C", datetime(2026, 3, 1, 8)],  # noqa: DTZ001 - as a spreadsheet has it
            ["A", "B", "C", None],
        ]
    )
    text, cell, empty = import_text(data, XLSX)
    assert (text.errors, empty.errors) == (None, None)
    assert list(cell.errors) == ["pickupAt"]
    assert "with an offset" in cell.errors["pickupAt"][0]
