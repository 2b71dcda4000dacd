"""Loads and assignments as CSV: the content, and the cost of a long or slow export."""

import csv
import re
from datetime import UTC, datetime, timedelta

import pytest

from billor.api.fields import wire_time
from billor.loads import exporting
from billor.loads.exporting import COLUMNS, export_loads
from billor.loads.service import create_load, create_loads
from billor.models import Assignment, CheckIn, Role, db
from tests.support.answers import assert_invalid
from tests.support.apps import client_with_token

OF_ASSIGNMENT = COLUMNS[-5:]
HEADER = f"{','.join(COLUMNS)}\r\n"

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def two_a_page(monkeypatch):
    monkeypatch.setattr(exporting, "PAGE_ROWS", 2)


def make_loads(count: int, **fields: str) -> None:
    load = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
    create_loads([load | fields] * count)


def read(pieces) -> list[dict[str, str]]:
    text = "".join(pieces)
    assert text.startswith(HEADER)
    return list(csv.DictReader(text.splitlines(keepends=True), strict=True))


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


def at(hours: float) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hours)


@pytest.mark.usefixtures("two_a_page")
def test_assignments_are_exported_with_times_and_who_did_it(app, client, statements):
    """Bo's completion of the second one activated the third one, which was reopened later."""
    times = {"pickupAt": at(1).isoformat(), "deliverBy": at(20).isoformat()}
    for number, name in enumerate(["Alex", "Bo"], start=1):
        client.make_driver(f"TX-{number}", name=name)
        load = client.make_load(**times, reference=f"=PO-{number}", origin="Waco, TX")
        client.assign({"id": number}, load)
    client.close({"id": 1}, "COMPLETED")
    plan = {"driverId": 2, "loadId": client.make_load()["id"], "plan": True}
    assert client.post("/assignments", plan).json["status"] == "PLANNED"
    bo = client_with_token(app, "Bo", "bo@billor.example", Role.DRIVER, driver_id=2)
    bo.patch("/me/assignment/status", {"status": "COMPLETED"})
    client.close({"id": 3}, "CANCELLED")
    client.assign({"id": 1}, {"id": 3})
    client.close({"id": 4}, "CANCELLED")
    reopened = client.post("/assignments/3/reopen", {"reason": "Cancelled by mistake"})
    assert reopened.status_code == 200
    for id_, closed in [(1, 20), (2, 21), (4, 22)]:
        db.session.get(Assignment, id_).closed_at = at(closed)
    steps = [("AT_PICKUP", 2), ("AT_PICKUP", 1), ("LOADED", 3), ("LOADED", 4), ("ACCEPTED", 0)]
    for kind, hours in [*steps, ("DELAYED", 5), ("DELAYED", 6), ("AT_DELIVERY", 19)]:
        db.session.add(CheckIn(assignment_id=1, kind=kind, happened_at=at(hours), user_id=1))
    db.session.commit()

    def exported(query: str = "") -> dict[str, dict[str, str]]:
        with statements:
            answer = client.get(f"/assignments.csv{query}")
            rows = list(csv.DictReader(answer.text.splitlines()))
        assert 'filename="assignments.csv"' in answer.headers["Content-Disposition"]
        assert len(statements.sent) <= 3 * (len(rows) + 1) // 2
        return {row["id"]: row for row in rows}

    client.make_load()
    rows = exported()
    loads = {row["id"]: row for row in csv.DictReader(client.get("/loads.csv").text.splitlines())}
    lasts = {id_: rows[id_] for id_ in "123"}  # of load 3 it is not the newest
    for id_, last in (lasts | {"4": dict.fromkeys(OF_ASSIGNMENT, "")}).items():
        assert {name: loads[id_][name] for name in OF_ASSIGNMENT} == {
            name: last[name] for name in OF_ASSIGNMENT
        }
    dana, fields = "Demo Dispatcher", "id status driverName reference onTime assignedBy closedBy"
    assert [[row[name] for name in fields.split()] for row in rows.values()] == [
        ["4", "CANCELLED", "Alex", "", "", dana, dana],
        ["3", "ASSIGNED", "Bo", "", "", dana, ""],
        ["2", "COMPLETED", "Bo", "=PO-2", "false", dana, "Bo"],
        ["1", "COMPLETED", "Alex", "=PO-1", "true", dana, dana],
    ]
    row, shown = rows["1"], client.get("/assignments/1").json
    places = {"origin": "Waco, TX", "destination": "Atlanta, GA", "driverLicenseNumber": "TX-1"}
    ids = {"id": "1", "driverId": "1", "loadId": "1", "weightKg": "", "cargoType": "Dry van"}
    assert row.items() >= (places | ids).items()
    hours = {"pickupAt": 1, "deliverBy": 20, "closedAt": 20, "acceptedAt": 0, "atPickupAt": 1}
    hours |= {"loadedAt": 4, "delayedAt": 6, "atDeliveryAt": 19}
    assert {name: cell for name, cell in row.items() if re.match(r"\d{4}-", cell)} == {
        "assignedAt": shown["assignedAt"],
        **{name: wire_time(at(hour)) for name, hour in hours.items()},
    }
    assert exported("?spreadsheet=true")["2"]["reference"] == "'=PO-2"
    assert [*exported("?driverId=1&status=COMPLETED")] == ["1"]
    period = f"closedFrom={at(20):%FT%TZ}&closedTo={at(22):%FT%TZ}"
    assert [*exported(f"?{period}")] == ["2", "1"]
    assert [*exported(f"?closedFrom={at(20):%FT%TZ}")] == ["4", "2", "1"]
    backwards = f"?closedFrom={at(20):%FT%TZ}&closedTo={at(20):%FT%TZ}"
    assert_invalid(client.get(f"/assignments.csv{backwards}"), "closedTo")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_formulas_are_exported_raw_or_after_a_quote(start):
    create_load(origin=f"{start}1", destination=f"a {start}1", cargo_type="C")
    (raw,) = read(export_loads())
    (quoted,) = read(export_loads(spreadsheet=True))
    assert raw["origin"] == f"{start}1"
    assert quoted == raw | {"origin": f"'{start}1"}
