"""Storing the rows of a file: new loads with their events, those already there, and the cost."""

import pytest
from sqlalchemy import func, select

from billor.loads import importing
from billor.loads.files import FileRow, LoadFile
from billor.loads.importing import import_loads
from billor.models import Load, LoadEvent, db
from tests.support.rival import beaten

pytestmark = pytest.mark.usefixtures("context")


def row(number: int, reference: str | None = None, **more) -> FileRow:
    fields = {"origin": f"Town {number}", "destination": "B", "cargo_type": "C"}
    return FileRow(number, fields | ({"reference": reference} if reference else {}), **more)


def store(*rows: FileRow) -> list[FileRow]:
    return import_loads(LoadFile(list(rows))).rows


def counts() -> tuple[int | None, int | None]:
    db.session.rollback()
    return tuple(
        db.session.scalar(select(func.count()).select_from(each)) for each in (Load, LoadEvent)
    )


def test_many_rows_cost_as_many_statements_as_two(statements):
    with statements:
        store(row(1), row(2))
    sent_for_two = len(statements.sent)
    with statements:
        store(*map(row, range(importing.CHUNK_ROWS)))
    assert len(statements.sent) == sent_for_two


def test_a_row_whose_reference_a_load_has_is_already_there():
    store(row(1, "PO-1"))
    outcomes = store(row(1, "po 1"), row(2), row(3, "PO-2"), row(4, "po2"), row(5))
    assert [each.already_there for each in outcomes] == [True, False, False, True, False]
    assert outcomes[3].load_id == outcomes[2].load_id
    assert counts() == (4, 4)


def test_an_import_waits_for_another_with_the_same_reference(app):
    columns = "origin, destination, cargo_type, status, reference"
    other = f"INSERT INTO loads ({columns}) VALUES ('A', 'B', 'C', 'OPEN', 'PO-1')"  # noqa: S608

    def import_there() -> list[FileRow]:
        with app.app_context():
            return store(row(1), row(2, "po1"), row(3, "PO-2"))

    good, already_there, another = beaten(app, other, import_there)
    assert (good.already_there, another.already_there) == (False, False)
    assert (already_there.already_there, already_there.load_id) == (True, 1)
    assert counts() == (3, 2)
