"""Loads in files: imported by POST /loads/import, exported by GET /loads.csv."""

import csv
import json
from io import BytesIO, StringIO

import pytest

from billor.extensions import db
from billor.loads import exporting
from billor.models import LoadEvent
from tests.support.answers import as_cells, assert_problem
from tests.support.apps import client_with_token

NDJSON, CSV = "application/x-ndjson", "text/csv"
LOADS = [
    {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"},
    {"origin": "Łódź", "destination": 'The "Yard"', "cargoType": "Tall goods"},
    {"origin": "Houston, TX", "destination": "Chicago, IL", "cargoType": "Flatbed"},
]
FIELDS = list(LOADS[0])


@pytest.fixture
def client(app):
    return client_with_token(app)


def as_ndjson(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows) -> bytes:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FORMATS = pytest.mark.parametrize(
    ("media_type", "write"), [(NDJSON, as_ndjson), (CSV, as_csv)], ids=["NDJSON", "CSV"]
)


def send(client, data: bytes, media_type: str = NDJSON, **headers: str):
    headers |= {"Content-Type": media_type}
    return client.post("/loads/import", data=data, headers=headers)


def exported(client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"/loads.csv{query}")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="loads.csv"'
    return list(csv.DictReader(StringIO(answer.text, newline="")))


@FORMATS
def test_an_import_creates_loads_and_lists_their_ids_in_order(client, media_type, write):
    answer = send(client, write(LOADS), f"{media_type}; charset=utf-8")
    assert answer.status_code == 200
    assert answer.json == {
        "created": 3,
        "refused": 0,
        "rows": [{"row": row, "loadId": row, "errors": None} for row in (1, 2, 3)],
    }
    for row, load in enumerate(LOADS, start=1):
        shown = client.get(f"/loads/{row}").json
        assert {name: shown[name] for name in FIELDS} == load
        (event,) = client.get(f"/loads/{row}/timeline").json
        assert (event["type"], event["user"]["name"]) == ("LOAD_CREATED", "Somebody")


@FORMATS
def test_an_import_reports_invalid_rows_and_creates_the_others(client, media_type, write):
    bad = {"origin": "x" * 201, "destination": "Reno, NV", "cargoType": "x" * 101}
    answer = send(client, write([LOADS[0], bad, LOADS[2]]), media_type)
    rows = answer.json["rows"]
    assert (answer.json["created"], answer.json["refused"]) == (2, 1)
    assert [row["loadId"] for row in rows] == [1, None, 2]
    alone = assert_problem(client.post("/loads", bad), 422, "validation_failed")
    assert rows[1]["errors"] == alone["errors"]
    assert [load["origin"] for load in client.get("/loads").json] == ["Houston, TX", "Dallas, TX"]


def test_a_refused_file_creates_nothing(client):
    too_many = as_ndjson(LOADS[:1] * 10_001)
    for data in (too_many, b"", as_ndjson(LOADS) + b"\xff\n"):
        problem = assert_problem(send(client, data), 422, "import_refused")
        assert problem["detail"]
    assert client.get("/loads").json == []


def test_an_import_of_another_media_type_is_refused(client):
    for media_type in ("application/json", "text/plain", ""):
        answer = send(client, as_ndjson(LOADS), media_type)
        assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_file_larger_than_16_mib_is_refused(client, tells_length):
    limit = 16 * 1024 * 1024
    blank = b" " * 50_000 + b"\n"
    for size, status in ((limit - 1, 200), (limit + 1, 413)):
        data = (as_ndjson(LOADS[:1]) + blank * (limit // len(blank))).ljust(size)
        if tells_length:
            answer = send(client, data)
        else:
            answer = client.post(
                "/loads/import",
                headers={"Content-Type": NDJSON, "Transfer-Encoding": "chunked"},
                environ_overrides={"wsgi.input": BytesIO(data), "wsgi.input_terminated": True},
            )
        assert answer.status_code == status
    assert_problem(answer, 413, "body_too_large")
    assert len(client.get("/loads").json) == 1


def test_an_import_invalidates_cached_pages_of_loads(client):
    assert client.get("/loads").json == []
    send(client, as_ndjson(LOADS))
    assert len(client.get("/loads").json) == 3


def test_a_repeated_import_with_the_same_idempotency_key_is_done_once(app, client):
    first = send(client, as_ndjson(LOADS), **{"Idempotency-Key": "monday"})
    again = send(client, as_ndjson(LOADS), **{"Idempotency-Key": "monday"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    other = send(client, as_ndjson(LOADS[:1]), **{"Idempotency-Key": "monday"})
    assert_problem(other, 422, "idempotency_key_reused")
    with app.app_context():
        assert db.session.query(LoadEvent).count() == 3


def test_an_export_has_every_load_newest_first(client, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE_ROWS", 2)
    send(client, as_ndjson(LOADS))
    rows = exported(client)
    shown = client.get("/loads").json
    assert rows == [as_cells(load) for load in shown]
    assert [row["id"] for row in rows] == ["3", "2", "1"]


def test_an_export_applies_the_filters(client):
    send(client, as_ndjson(LOADS))
    client.patch("/loads/2", {"status": "CANCELLED"})
    driver = client.make_driver()
    client.assign(driver, {"id": 1})
    assert [row["id"] for row in exported(client, "?status=CANCELLED&status=ASSIGNED")] == [
        "2",
        "1",
    ]
    assert [row["id"] for row in exported(client, "?origin=houston, tx")] == ["3"]
    assert exported(client, "?createdTo=2026-01-01T00:00:00Z") == []


def test_an_export_refuses_pagination_parameters(client):
    for query in ("limit=1", "cursor=x", "nonsense=1"):
        problem = assert_problem(client.get(f"/loads.csv?{query}"), 422, "validation_failed")
        assert list(problem["errors"]) == [query.partition("=")[0]]


def test_an_export_can_be_imported_again(client):
    send(client, as_ndjson(LOADS))
    rows = [{name: row[name] for name in FIELDS} for row in exported(client)]
    assert rows == LOADS[::-1]
    assert send(client, as_csv(rows), CSV).json["created"] == 3
