"""Loads in files: imported by POST /loads/import, exported by GET /loads.csv."""

import csv
import json
from io import BytesIO, StringIO

import pytest

from billor.extensions import db
from billor.loads import exporting, importing
from billor.loads.importing import import_slot, read_loads
from billor.models import LoadEvent
from tests.support.answers import as_cells, assert_problem
from tests.support.apps import client_with_token
from tests.support.workbooks import workbook

NDJSON, CSV = "application/x-ndjson", "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ANY = "application/octet-stream"
LOADS = [
    {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"},
    {"origin": "Łódź", "destination": 'The "Yard"', "cargoType": "Tall goods"},
    {"origin": "Houston, TX", "destination": "Chicago, IL", "cargoType": "Flatbed"},
]
FIELDS = list(LOADS[0])
ALL_CREATED = [
    {"row": row, "loadId": row, "errors": None, "alreadyThere": False} for row in (1, 2, 3)
]


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
        "alreadyThere": 0,
        "refused": 0,
        "rows": ALL_CREATED,
        "ignored": [],
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


def as_xlsx(rows) -> bytes:
    return workbook([FIELDS, *(list(row.values()) for row in rows)])


CSV_TYPES = [CSV, "application/csv", "application/vnd.ms-excel", "text/plain", ANY]
CSV_TYPES += ["text/x-csv", "text/comma-separated-values", "TEXT/CSV", "text/tab-separated-values"]
NDJSON_TYPES = [NDJSON, "application/ndjson", "application/jsonl"]


@pytest.mark.parametrize(
    ("write", "media_type"),
    [
        *((as_csv, media_type) for media_type in CSV_TYPES),
        *((as_ndjson, media_type) for media_type in NDJSON_TYPES),
        *((as_xlsx, media_type) for media_type in (XLSX, *CSV_TYPES, NDJSON)),
    ],
)
def test_a_file_is_recognised_by_its_type_and_its_form(client, write, media_type):
    answer = send(client, write(LOADS), media_type)
    assert answer.status_code == 200, answer.text
    assert answer.json["rows"] == ALL_CREATED
    assert [load["origin"] for load in client.get("/loads").json] == [
        load["origin"] for load in LOADS[::-1]
    ]


def test_an_import_of_another_media_type_is_refused(client):
    for media_type in ("application/json", "text/html", "text/plain", ANY, ""):
        answer = send(client, as_ndjson(LOADS), media_type)
        assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "charset", ["utf-8", "UTF8", '"utf-8"', '""', "us-ascii", "UTF_8", "utf-8-sig"]
)
def test_utf_8_may_have_any_of_its_names(client, charset):
    data = b"\xef\xbb\xbf" + as_csv(LOADS)
    assert send(client, data, f"{CSV}; charset={charset}").json["created"] == 3


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-16", "utf-7", "nonsense"])
@pytest.mark.parametrize("path", ["/loads/import", "/loads"])
def test_another_charset_is_refused_by_its_name(client, charset, path):
    media_type = CSV if path == "/loads/import" else "application/json"
    headers = {"Content-Type": f"{media_type}; charset={charset}"}
    answer = client.post(path, data=b"{}", headers=headers)
    problem = assert_problem(answer, 415, "unsupported_media_type")
    assert charset in problem["detail"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000, "an old .xls workbook"),
        (workbook([["origin", "destination"]]), "must name the columns cargoType"),
        (b"PK\x03\x04 and no more", "damaged"),
    ],
)
def test_a_workbook_that_cannot_be_read_is_refused(client, data, why):
    for media_type in (XLSX, "application/vnd.ms-excel", ANY):
        problem = assert_problem(send(client, data, media_type), 422, "import_refused")
        assert why in problem["detail"]


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


def test_no_connection_is_held_while_a_file_is_read(app, client, monkeypatch):
    held = []

    def read(*args):
        held.append(db.engine.pool.checkedout())
        return read_loads(*args)

    monkeypatch.setattr(importing, "read_loads", read)
    for headers in ({}, {"Idempotency-Key": "monday"}):
        assert send(client, as_ndjson(LOADS), **headers).json["created"] == 3
    assert held == [0, 0]


def test_beyond_two_imports_at_a_time_others_are_refused_at_once(client):
    with import_slot(), import_slot():
        busy = send(client, as_ndjson(LOADS), **{"Idempotency-Key": "monday"})
        assert_problem(busy, 503, "imports_busy")
        assert busy.headers["Retry-After"] == "1"
        assert client.get("/loads").json == []
    assert send(client, as_ndjson(LOADS), **{"Idempotency-Key": "monday"}).json["created"] == 3


def test_an_export_has_every_load_newest_first(client, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE_ROWS", 2)
    send(client, as_ndjson(LOADS))
    rows = exported(client)
    shown = client.get("/loads").json
    assert [{name: row[name] for name in shown[0]} for row in rows] == [
        as_cells(load) for load in shown
    ]
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


def test_an_export_for_spreadsheets_has_a_mark_and_no_formulas(client):
    client.make_load(origin="=1+1")
    driver = client.make_driver()
    client.assign(driver, {"id": 1})
    plain, marked = (
        client.get(f"/loads.csv?{query}")
        for query in ("bom=false&spreadsheet=false", "bom=true&spreadsheet=true")
    )
    assert plain.data == client.get("/loads.csv").data
    assert plain.data.count(b"\n1,=1+1,") == 1
    assert marked.data == b"\xef\xbb\xbf" + plain.data.replace(b",=1", b",'=1")
    assert driver["licenseNumber"] in plain.text
    for query in ("bom=1", "spreadsheet=yes", "bom="):
        problem = assert_problem(client.get(f"/loads.csv?{query}"), 422, "validation_failed")
        assert list(problem["errors"]) == [query.partition("=")[0]]


def test_an_export_refuses_pagination_parameters(client):
    for query in ("limit=1", "cursor=x", "nonsense=1"):
        problem = assert_problem(client.get(f"/loads.csv?{query}"), 422, "validation_failed")
        assert list(problem["errors"]) == [query.partition("=")[0]]


def test_an_export_can_be_imported_again(client):
    times = {"pickupAt": "2026-03-01T08:00:00.000000Z", "deliverBy": "2026-03-02T08:00:00.000000Z"}
    send(client, as_ndjson([LOADS[0], LOADS[1] | times, LOADS[2]]))
    text = client.get("/loads.csv").text
    rows = list(csv.DictReader(StringIO(text, newline="")))
    answer = send(client, text.encode(), CSV)
    assert (answer.json["created"], answer.json["refused"]) == (3, 0)
    read = (*FIELDS, "reference", "pickupAt", "deliverBy")
    assert answer.json["ignored"] == [name for name in rows[0] if name not in read]
    again = exported(client)[:3]
    assert [{name: row[name] for name in FIELDS} for row in again] == LOADS
    assert [{name: row[name] for name in times} for row in again][1] == times
