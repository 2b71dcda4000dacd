"""Loads as CSV: the content, and the cost of a long or slow export."""

import csv

import pytest
from sqlalchemy.exc import OperationalError

from billor.extensions import db
from billor.loads import exporting
from billor.loads.exporting import COLUMNS, export_loads
from billor.loads.schemas import LoadSchema
from billor.loads.service import create_load, create_loads, list_loads, update_load
from tests.support.answers import as_cells
from tests.support.apps import another_app, dead_address

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
    return [as_cells(item) for item in items]


def read(pieces) -> list[dict[str, str]]:
    text = "".join(pieces)
    assert text.startswith(HEADER)
    return list(csv.DictReader(text.splitlines(keepends=True), strict=True))


def test_an_export_is_csv_as_in_rfc_4180():
    create_load(origin="Dallas, TX", destination='the "Hub", GA', cargo_type="Łódź 🚚")
    text = "".join(export_loads())
    assert ',"Dallas, TX","the ""Hub"", GA",Łódź 🚚,' in text
    assert text.count("\r\n") == text.count("\n") == 2
    assert read([text]) == listed()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
@pytest.mark.usefixtures("two_a_page")
def test_an_export_holds_all_loads_newest_first(count):
    make_loads(count)
    rows = read(export_loads())
    assert rows == listed()
    assert len(rows) == count


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
def test_loads_created_during_an_export_do_not_change_it():
    make_loads(5)
    before = listed()
    pieces = export_loads()
    first = next(pieces)
    make_loads(3)
    assert read([first, *pieces]) == before


@pytest.mark.usefixtures("two_a_page")
def test_an_export_reads_page_by_page_and_holds_no_connection_between(statements):
    make_loads(5)
    pieces = export_loads()
    db.session.remove()  # and the connection that made the loads
    for page in range(3):
        with statements:
            next(pieces)
        # The first page was read when the export began.
        assert len(statements.sent) == min(page, 1)
        assert db.engine.pool.checkedout() == 0
        assert len(list(db.session)) <= 2
    assert next(pieces, None) is None


def test_an_unavailable_database_fails_an_export_before_its_first_piece(settings):
    away = f"postgresql://billor@{dead_address()}/billor"
    with (
        another_app(settings, DATABASE_URL=away) as app,
        app.app_context(),
        pytest.raises(OperationalError),
    ):
        export_loads()
