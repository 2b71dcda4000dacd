"""Loads in files: imported by POST /loads/import, exported by GET /loads.csv."""

import csv
import json
import re
from datetime import datetime
from io import BytesIO, StringIO

import pytest

from billor.loads import files
from billor.loads.files import read_file
from billor.models import db
from tests.support.answers import assert_problem
from tests.support.apps import another_app
from tests.support.client import ApiClient
from tests.support.workbooks import workbook

NDJSON, CSV = "application/x-ndjson", "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ANY = "application/octet-stream"
DETAILS = {
    "pickupAt": "2026-03-01T08:00:00.000000Z",
    "pickupTo": "2026-03-01T10:00:00.000000Z",
    "deliverFrom": "2026-03-02T08:00:00.000000Z",
    "deliverBy": "2026-03-02T09:00:00.000000Z",
    "weightKg": 19_000,
    "equipment": "Reefer",
    "pickupContact": "Dana",
    "pickupPhone": "+12145550123;ext=12",
    "deliveryContact": "Lee",
    "deliveryPhone": "+528112345678",
    "notes": 'Ask for "Sam",\nnot before 8.',
}
LOADS = [
    {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"} | DETAILS,
    {"origin": "Łódź", "destination": 'The "Yard"', "cargoType": "Tall goods"} | DETAILS,
    {"origin": "Houston, TX", "destination": "Chicago, IL", "cargoType": "Flatbed"} | DETAILS,
]
FIELDS = list(LOADS[0])
ISO_TIME = re.compile(r"2026-\d\d-\d\dT[\d:.]+Z")


def as_ndjson(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows) -> bytes:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def send(client, data: bytes, media_type: str = NDJSON, **headers: str):
    headers |= {"Content-Type": media_type}
    return client.post("/loads/import", data=data, headers=headers)


def exported(client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"/loads.csv{query}")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="loads.csv"'
    return list(csv.DictReader(StringIO(answer.text, newline="")))


def test_the_companys_time_zone_is_on_the_board_and_the_default_of_imports(settings, client):
    rows = b"from,to,cargo,pickup\na,b,c,7/1/2026 8:00\n"
    with another_app(settings, TIME_ZONE="America/Chicago") as app:
        company = ApiClient(app.test_client(), client.token)
        assert '"time-zone" content="America/Chicago"' in company.get("/board").text
        for zone, hour in (("", "13"), ("&timeZone=Europe/Berlin", "06")):
            answer = company.post(f"/loads/import?dryRun=true{zone}", data=rows, content_type=CSV)
            read = answer.json["rows"][0]["load"]["pickupAt"]
            assert read == f"2026-07-01T{hour}:00:00.000000Z"


def test_a_dry_run_shows_what_an_import_would_read_and_creates_nothing(client):
    rows = 'From,To,Rate,Commodity,Pickup\n"Waco,  TX","Reno, NV",9,Steel,3/4/2026\n,,,Mail,\n'
    data = (rows + '"Waco, TX","Reno, NV",,Mail,\n' * 20).encode()
    query = "timeZone=America/Chicago&dayFirst=true"
    headers = {"Content-Type": CSV, "Idempotency-Key": "dry"}
    answer = client.post(f"/loads/import?dryRun=true&{query}", data=data, headers=headers).json
    assert client.get("/loads").json == []
    first, bad, *others = answer["rows"]
    read = {"origin": "Waco, TX", "destination": "Reno, NV", "cargoType": "Steel"}
    assert first["load"] == read | {"pickupAt": "2026-04-03T05:00:00.000000Z"}
    assert (first["loadId"], first["errors"]) == (None, None)
    assert {*bad["errors"]} == {"origin", "destination"}
    assert ["load" in row for row in others] == [True] * 18 + [False] * 2
    named = {"From": "origin", "To": "destination", "Commodity": "cargoType", "Pickup": "pickupAt"}
    assert (answer["columns"], answer["ignored"], answer["sheet"]) == (named, ["Rate"], None)
    assert (answer["created"], answer["refused"]) == (21, 1)
    headers["Idempotency-Key"] = "done"
    done = client.post(f"/loads/import?{query}", data=data, headers=headers).json
    assert [each["id"] for each in client.get("/loads").json] == list(range(21, 0, -1))
    for row in done["rows"]:
        assert row.pop("load", None) is None
    assert done["columns"] == named


def test_an_import_reports_each_row_and_creates_the_good_ones(client, monkeypatch):
    monkeypatch.setattr("billor.loads.importing.CHUNK_ROWS", 2)
    bad = {"origin": "x" * 201, "destination": "Reno, NV", "cargoType": "x" * 101}
    answer = send(client, as_csv([LOADS[0], bad, LOADS[1]]), f"{CSV}; charset=utf-8")
    alone = assert_problem(client.post("/loads", bad), 422, "validation_failed")
    created = {"errors": None, "alreadyThere": False}
    assert answer.json == {
        "created": 2,
        "alreadyThere": 0,
        "refused": 1,
        "rows": [
            {"row": 2, "loadId": 1} | created,
            {"row": 3, "loadId": None, "errors": alone["errors"], "alreadyThere": False},
            {"row": 4, "loadId": 2} | created,
        ],
        "columns": dict(zip(FIELDS, FIELDS, strict=True)),
        "ignored": [],
        "sheet": None,
    }
    for number, load in enumerate(LOADS[:2], start=1):
        shown = client.get(f"/loads/{number}").json
        assert {name: shown[name] for name in FIELDS} == load
        (event,) = client.get(f"/loads/{number}/timeline").json
        assert (event["type"], event["user"]["name"]) == ("LOAD_CREATED", "Demo Dispatcher")


def as_xlsx(rows) -> bytes:
    return workbook([FIELDS, *(list(row.values()) for row in rows)])


def test_a_file_is_recognised_by_its_type_and_its_form(client):
    for write, media_types in (
        (as_csv, (CSV, "TEXT/CSV", "text/plain", ANY)),
        (as_ndjson, (NDJSON, "application/jsonl")),
        (as_xlsx, (XLSX, "application/vnd.ms-excel", CSV, NDJSON)),
    ):
        for media_type in media_types:
            rows = send(client, write(LOADS), media_type).json["rows"]
            for row, load in zip(rows, LOADS, strict=True):
                shown = client.get(f"/loads/{row['loadId']}").json
                assert shown | load == shown, media_type


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


def test_no_connection_is_held_while_a_file_is_read(app, client, monkeypatch):
    held = []

    def read(*args):
        held.append(db.engine.pool.checkedout())
        return read_file(*args)

    monkeypatch.setattr(files, "read_file", read)
    for headers in ({}, {"Idempotency-Key": "monday"}):
        assert send(client, as_ndjson(LOADS), **headers).json["created"] == 3
    assert held == [0, 0]


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


def test_an_export_is_not_imported_twice(client):
    send(client, as_ndjson(LOADS))
    text = client.get("/loads.csv?bom=true&spreadsheet=true").text
    again = send(client, text.encode(), CSV).json
    assert (again["created"], again["alreadyThere"], again["refused"]) == (0, 3, 0)
    assert [row["loadId"] for row in again["rows"]] == [3, 2, 1]
    for form in ("%m/%d/%Y %H:%M", "%-d.%-m.%y %-H:%M:%S"):
        saved = text
        for time in ISO_TIME.findall(text):
            saved = saved.replace(time, f"{datetime.fromisoformat(time):{form}}")
        rows = list(csv.reader(StringIO(saved, newline="")))
        rows[1][1] = "Edited"
        with_semicolons = StringIO(newline="")
        csv.writer(with_semicolons, delimiter=";").writerows(rows)
        for data, kind in ((with_semicolons.getvalue().encode(), CSV), (workbook(rows), XLSX)):
            for query in ("dryRun=true", "dryRun=false"):
                headers = {"Content-Type": kind}
                found = client.post(f"/loads/import?{query}", data=data, headers=headers).json
                counts = [found[name] for name in ("created", "alreadyThere", "refused")]
                assert counts == [0, 3, 0], found
    lost = send(client, ISO_TIME.sub("00:03.0", text).encode(), CSV).json
    assert [list(row["errors"]) for row in lost["rows"]] == [["createdAt"]] * 3
    created_at = client.get("/loads/2").json["createdAt"]
    elsewhere = text.replace("\n3,", "\n33,").replace(created_at, "2026-01-02T03:04:05Z")
    assert send(client, elsewhere.encode(), CSV).json["created"] == 3
    assert {name: client.get("/loads/4").json[name] for name in FIELDS} == LOADS[2]
