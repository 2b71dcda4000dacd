"""The worker puts waiting loads into the index of a search, once they are many."""

import pytest
from sqlalchemy import select

from billor.extensions import db
from billor.loads import search_index
from billor.loads.lists import list_loads
from billor.loads.search_index import index_waiting_loads
from billor.loads.service import create_loads, update_load
from billor.models import Load
from billor.worker.maintenance import run_maintenance
from tests.support.rival import rival
from tests.unit.test_maintenance import Rounds


@pytest.fixture(autouse=True)
def seven_loads(context, monkeypatch):
    """Loads 1 to 7, of which 3 is CANCELLED; two waiting ones may stay out of the index."""
    monkeypatch.setattr(search_index, "MOST_NOT_INDEXED", 2)
    fields = {"destination": "Reno, NV", "cargo_type": "Logs"}
    create_loads([{"origin": f"Town {number}", **fields} for number in range(1, 8)])
    update_load(3, status="CANCELLED")


def indexed() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(Load.id).where(Load.is_indexed).order_by(Load.id)))


def test_the_oldest_waiting_loads_are_indexed_and_look_the_same():
    before = db.session.scalars(select(Load.updated_at).order_by(Load.id)).all()
    assert index_waiting_loads() == 4
    assert indexed() == [1, 2, 4, 5]
    assert index_waiting_loads() == 0
    assert db.session.scalars(select(Load.updated_at).order_by(Load.id)).all() == before


def test_an_indexed_load_is_found_and_after_a_change_by_its_new_text(monkeypatch):
    monkeypatch.setattr("billor.keyset.WALKED_ROWS", 1)
    index_waiting_loads()
    update_load(1, origin="Zwolle, LA")
    for words, expected in (("town", [7, 6, 5, 4, 3, 2]), ("zwo", [1]), ("town 1", [])):
        assert [load.id for load in list_loads(50, q=words).items] == expected


def test_a_load_that_is_being_changed_is_left_for_later(app):
    with rival(app) as other:
        other.execute("SELECT FROM loads WHERE id = 2 FOR UPDATE")
        assert index_waiting_loads() == 3
    assert indexed() == [1, 4, 5]
    assert index_waiting_loads() == 1


def test_the_workers_maintenance_indexes_waiting_loads():
    run_maintenance(Rounds(1))
    assert indexed() == [1, 2, 4, 5]
