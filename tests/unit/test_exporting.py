"""Loads as CSV: the content, and the cost of a long or slow export."""

import csv

import pytest
from sqlalchemy.exc import OperationalError

from billor.assignments.schemas import AssignmentSchema
from billor.assignments.service import assign, change_status, reopen
from billor.drivers.service import create_driver
from billor.loads import exporting
from billor.loads.exporting import COLUMNS, export_loads
from billor.loads.lists import list_loads
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_load, create_loads, update_load
from billor.models import db
from tests.support.answers import as_cells
from tests.support.apps import another_app, dead_address

OF_ASSIGNMENT = COLUMNS[-5:]
HEADER = f"{','.join(COLUMNS)}\r\n"

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def two_a_page(monkeypatch):
    monkeypatch.setattr(exporting, "PAGE_ROWS", 2)


def make_loads(count: int, **fields: str) -> None:
    load = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
    create_loads([load | fields] * count)


def listed(**filters) -> list[dict[str, str]]:
    """The loads of GET /loads as rows of CSV."""
    items = LoadSchema(many=True).dump(list_loads(100, **filters).items)
    return [dict.fromkeys(COLUMNS, "") | as_cells(item) for item in items]


def read(pieces) -> list[dict[str, str]]:
    text = "".join(pieces)
    assert text.startswith(HEADER)
    return list(csv.DictReader(text.splitlines(keepends=True), strict=True))


@pytest.mark.usefixtures("two_a_page")
def test_an_export_is_csv_with_all_loads_newest_first():
    assert read(export_loads()) == []
    make_loads(2)
    create_load(origin="Dallas, TX", destination='the "Hub", GA', cargo_type="Łódź 🚚")
    text = "".join(export_loads())
    assert ',"Dallas, TX","the ""Hub"", GA",Łódź 🚚,' in text
    assert text.count("\r\n") == text.count("\n") == 4
    assert read([text]) == listed()
    assert "".join(export_loads(bom=True)) == f"\ufeff{text}"


@pytest.mark.usefixtures("two_a_page")
def test_a_filter_applies_to_every_page_of_an_export():
    for _ in range(3):
        make_loads(2, origin="Reno, NV")
        make_loads(1)
    update_load(list_loads(1, origin="Reno, NV").items[0].id, status="CANCELLED")
    filters = {"origin": "reno, nv", "status": ["OPEN"]}
    rows = read(export_loads(**filters))
    assert rows == listed(**filters)
    assert len(rows) == 5


@pytest.mark.usefixtures("two_a_page")
def test_an_export_reads_page_by_page_and_holds_no_connection_between(statements):
    make_loads(5)
    pieces = export_loads()
    db.session.remove()  # and the connection that made the loads
    for page in range(3):
        with statements:
            next(pieces)
        # The first page was read when the export began.
        assert len(statements.sent) == 2 * min(page, 1)
        assert db.engine.pool.checkedout() == 0
        assert len(list(db.session)) <= 2
    assert next(pieces, None) is None


def test_a_load_is_exported_with_its_last_assignment():
    make_loads(4)
    drivers = [create_driver(f"Driver {n}", f"TX-{n}").id for n in range(3)]
    assignments = []
    for driver, load, ends in [(0, 1, "CANCELLED"), (1, 1, "COMPLETED"), (2, 2, "CANCELLED")]:
        assignments.append(assign(drivers[driver], load))
        assignments[-1] = change_status(assignments[-1].id, ends)
    assignments.append(assign(drivers[0], 2))
    assignments.append(change_status(assign(drivers[1], 3).id, "CANCELLED"))
    change_status(assignments[3].id, "CANCELLED")
    assignments.append(reopen(assignments[2].id, "Cancelled by mistake"))

    rows = {row["id"]: row for row in read(export_loads())}
    for load_id, driver, last in [("1", 1, 1), ("2", 2, 5), ("3", 1, 4)]:
        shown = AssignmentSchema().dump(assignments[last])
        assert {name: rows[load_id][name] for name in OF_ASSIGNMENT} == {
            "driverId": str(drivers[driver]),
            "driverName": f"Driver {driver}",
            "driverLicenseNumber": f"TX-{driver}",
            "assignedAt": shown["assignedAt"],
            "closedAt": shown["closedAt"] or "",
        }
    assert {rows["4"][name] for name in OF_ASSIGNMENT} == {""}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_formulas_are_exported_raw_or_after_a_quote(start):
    create_load(origin=f"{start}1", destination=f"a {start}1", cargo_type="C")
    (raw,) = read(export_loads())
    (quoted,) = read(export_loads(spreadsheet=True))
    assert raw["origin"] == f"{start}1"
    assert quoted == raw | {"origin": f"'{start}1"}


def test_an_unavailable_database_fails_an_export_before_its_first_piece(settings):
    away = f"postgresql://billor@{dead_address()}/billor"
    with (
        another_app(settings, DATABASE_URL=away) as app,
        app.app_context(),
        pytest.raises(OperationalError),
    ):
        export_loads()
