"""Documents of loads: what is stored and shown, to whom, and what is refused."""

import zipfile
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from threading import Event
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests
from moto.server import ThreadedMotoServer
from obstore.store import from_url

from billor.errors import Unavailable
from billor.loads import document_routes, documents
from billor.models import Assignment, db
from tests.support.answers import assert_invalid, assert_problem
from tests.support.apps import another_app, client_with_token, give_driver_token
from tests.support.client import ApiClient
from tests.support.photos import GOOD, PDF, heic, jpeg, png, webp
from tests.support.rival import beaten

POD = "/loads/1/documents?kind=POD"
MINE = "/me/assignment/documents"
SCRIPT = b"<script>alert(1)</script>"


def archive() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil.html", SCRIPT)
    return file.getvalue()


@pytest.fixture(scope="module")
def s3_settings():
    """A bucket of S3's protocol, and the settings and credentials of a store in it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{endpoint}/billor", timeout=30)
    credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    yield credentials | {"AWS_ENDPOINT_URL": endpoint}
    server.stop()


@pytest.fixture(params=["file", "s3"])
def client(request, app, settings, monkeypatch, tmp_path) -> ApiClient:
    """An admin's client beside load 1, with a store in a folder or a bucket."""
    url, options = (tmp_path / "store").as_uri(), {"mkdir": True}
    if request.param == "s3":
        for name, value in request.getfixturevalue("s3_settings").items():
            monkeypatch.setenv(name, value)
        url, options = f"s3://billor/{tmp_path.name}", {"client_options": {"allow_http": True}}
    with another_app(settings, DOCUMENTS_URL=url) as here:
        client = client_with_token(here)
        client.make_load()
        client.app, client.store = here, from_url(url, **options)
        yield client


def add(client: ApiClient, path: str = POD, data: bytes = GOOD["image/jpeg"], **headers: str):
    return client.post(path, data=data, headers=headers)


def multipart(data: bytes, name: str = "file", more: str = "") -> dict:
    """A body with a part, for a client that leaves no temporary file."""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="../evil.html"\r\n\r\n'
    body = head.encode() + data + f"\r\n{more}--x--\r\n".encode()
    return {"data": body, "content_type": "multipart/form-data; boundary=x"}


def events(client: ApiClient) -> list[str]:
    return [entry["type"] for entry in client.get("/loads/1/timeline").json]


def objects(client: ApiClient) -> list[str]:
    """The names of all objects in the store."""
    return [each["path"] for batch in client.store.list() for each in batch]


def test_a_document_from_its_upload_to_its_removal(client):
    load = client.get("/loads/1").json
    changed_at = [load["updatedAt"]]
    for media_type, data in GOOD.items():
        added = add(client, data=data, **{"Content-Type": "text/html"})
        document = added.json
        assert (added.status_code, document["mediaType"]) == (201, media_type)
        changed_at.append(client.get("/loads/1").json["updatedAt"])
        assert (document["size"], document["sha256"]) == (len(data), sha256(data).hexdigest())
        got = client.get(added.headers["Location"])
        assert (got.status_code, got.data, got.mimetype) == (200, data, media_type)
        assert got.headers["ETag"] == f'"{document["sha256"]}"'
        place = got.headers["Content-Disposition"]
        assert place == f"attachment; filename*=UTF-8''{document['name']}"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        shown = client.get(f"/documents/{document['id']}?inline=true").headers
        is_inline = shown["Content-Disposition"].startswith("inline")
        assert is_inline is (media_type in document_routes.INLINE)
    listed = client.get("/loads/1/documents?limit=2")
    assert [each["id"] for each in listed.json] == [5, 4]
    assert 'rel="next"' in listed.headers["Link"]

    changed = client.get("/loads/1").json
    assert (load["hasPod"], changed["hasPod"]) == (False, True)
    assert changed_at == sorted(set(changed_at)), "each document changes its load"
    for id_ in range(1, 6):
        deleted = client.request("DELETE", f"/documents/{id_}")
        assert deleted.status_code == 204
        assert client.get("/loads/1").json["hasPod"] is (id_ < 5)
        assert_problem(client.get(f"/documents/{id_}"), 404, "document_not_found")
    assert events(client) == ["LOAD_CREATED", *["DOCUMENT_ADDED"] * 5, *["DOCUMENT_REMOVED"] * 5]
    payload = client.get("/loads/1/timeline").json[-1]["payload"]
    assert (payload["document"], payload["load"]["hasPod"]) == (document, False)


def test_a_part_of_a_large_document(client, monkeypatch):
    monkeypatch.setattr(document_routes, "PART_BYTES", 1000)
    data = jpeg(more=bytes(range(255)) * 10)
    assert add(client, data=data).status_code == 201
    for given, expected in {
        "bytes=0-": data,
        "bytes=10-19": data[10:20],
        "bytes=990-2010": data[990:2011],
        "bytes=-5": data[-5:],
    }.items():
        got = client.get("/documents/1", headers={"Range": given})
        assert (got.status_code, got.data) == (206, expected), given
        assert got.headers["Content-Range"].endswith(f"/{len(data)}")
    beyond = client.get("/documents/1", headers={"Range": "bytes=9999-"})
    assert_problem(beyond, 416, "range_not_satisfiable")
    etag = client.get("/documents/1").headers["ETag"]
    other = client.get("/documents/1", headers={"If-Match": '"other"'})
    assert_problem(other, 412, "precondition_failed")
    known = client.get("/documents/1", headers={"If-None-Match": etag})
    assert (known.status_code, known.data) == (304, b"")


def test_a_store_with_a_nonsense_setting_is_away(app, settings, monkeypatch, caplog):
    """The library panics, which is no `Exception`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setattr(documents, "PAUSE_SECONDS", 0)
    with another_app(settings, DOCUMENTS_URL="s3://nonsense") as here:
        client = client_with_token(here)
        client.make_load()
        assert_problem(add(client), 503, "documents_unavailable")
        assert client.get("/readyz").json["dependencies"]["documents"] == "away"
        store = here.extensions["documents"]
        with pytest.raises(Unavailable), here.app_context():
            store.sweep(Event())
    assert caplog.text.count("The document store is away: ") == 1


HOSTILE = {
    "nothing": b"",
    "text": b"Signed by Alex",
    "HTML": b"<!doctype html>" + SCRIPT,
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "GIF": b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
    "ZIP": archive(),
    **{f"{kind} after a script": SCRIPT + data for kind, data in GOOD.items()},
    **{f"{kind} before a script": data + SCRIPT for kind, data in GOOD.items()},
    **{f"{kind} before a ZIP": data + archive() for kind, data in GOOD.items()},
    **{f"{kind} cut short": data[:-3] for kind, data in GOOD.items()},
    "a ZIP in a JPEG": jpeg(more=archive()[:-2] + b"\2\0"),
    "a ZIP in a PDF": PDF.replace(b"endobj", archive()[:-2] + b"\x17\0 startxref 9 %%EOF\n")[:-14],
    **{f"200 megapixels {make}": make(16_000, 12_500) for make in (jpeg, png, webp, heic)},
    "no size": jpeg(0, 0),
    "a thousand boxes": heic() + b"\0\0\0\x08free" * 1000,
    "a size far behind": jpeg()[:2] + b"\xff\xe0\0\2" * 1024 + jpeg()[2:],
    "a bomb": png(2**31 - 1, 2**31 - 1),
}


@pytest.mark.parametrize("client", ["file"], indirect=True)
def test_a_hostile_file_is_refused_and_stored_nowhere(client, monkeypatch):
    monkeypatch.setattr(documents, "MAX_HEAD_BYTES", 4096)
    for kind, data in HOSTILE.items():
        for body in (data, {"file": (BytesIO(data), "a.jpg")}):
            assert add(client, data=body).json["code"] == "document_refused", kind
    assert (objects(client), events(client)) == ([], ["LOAD_CREATED"])


@pytest.mark.parametrize("client", ["file"], indirect=True)
def test_what_is_sent_beside_the_file_is_checked(client):
    for name in ("../pod.jpg", "C:\\pod.jpg", "a\x00.jpg", "gpj.\u202eevil", "", "x" * 201):
        bad = client.post("/loads/1/documents", query_string={"name": name}, data=PDF)
        assert_invalid(bad, "name")
    second = '--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\nPOD\r\n'
    for wrong in (multipart(PDF, "other"), multipart(PDF, more=second)):
        assert_invalid(client.post(POD, **wrong), "file")
    large = PDF.replace(b"endobj", bytes(document_routes.MAX_BYTES - len(PDF) + 6))
    assert add(client, data=large).status_code == 201
    larger = large.replace(b"\0", b"\0\0", 1)
    for sent in ({"data": larger}, multipart(large)):
        assert_problem(client.post(POD, **sent), 413, "body_too_large")
    for given, kept in {
        "evil.html": "evil.html.pdf",
        "x" * 200: "x" * 190 + ".pdf",
        "Ann\u2019s \u8bc1": "Ann\u2019s \u8bc1.pdf",
    }.items():
        added = add(client, f"{POD}&name={given}", PDF)
        assert added.json["name"] == kept
        place = client.get(added.headers["Location"]).headers["Content-Disposition"]
        assert place == f"attachment; filename*=UTF-8''{quote(kept)}"


@pytest.mark.parametrize("client", ["file"], indirect=True)
def test_a_driver_sees_and_adds_documents_of_own_loads_only(client):
    client.make_load()
    own = client.assign(client.make_driver("TX-1"), {"id": 1})
    other = client.assign(client.make_driver("TX-2"), {"id": 2})
    give_driver_token(client, client.app)
    add(client, "/loads/1/documents?kind=RATE_CONFIRMATION")
    add(client, "/loads/2/documents?kind=BOL")
    mine = add(client, f"{MINE}?kind=POD&happenedAt=2026-01-31T12:00:00Z")
    assert (mine.status_code, mine.json["loadId"]) == (201, 1)
    assert mine.json["happenedAt"] == "2026-01-31T12:00:00.000000Z"
    assert client.get(MINE).json == [mine.json]
    shown = [client.get(f"/me/documents/{id_}").status_code for id_ in (1, 2, 3)]
    assert shown == [404, 404, 200]
    stranger = add(client, f"{MINE}?kind=POD&assignmentId={other['id']}")
    assert_problem(stranger, 404, "assignment_not_found")

    late = f"{MINE}?kind=POD&assignmentId={own['id']}"
    client.close(own, "COMPLETED")
    assert_problem(add(client, f"{MINE}?kind=POD"), 404, "no_active_assignment")
    assert add(client, late).status_code == 201
    with client.app.app_context():
        db.session.get_one(Assignment, own["id"]).closed_at -= timedelta(days=1)
        db.session.commit()
    assert_problem(add(client, late), 409, "assignment_not_active")
    client.close(other, "CANCELLED")
    assert client.get("/me/documents/3").status_code == 200


@pytest.mark.parametrize("client", ["file"], indirect=True)
def test_a_load_has_so_many_documents_and_no_more_also_at_once(client, monkeypatch):
    monkeypatch.setattr(documents, "MAX_OF_LOAD", 1)
    other = (
        "SELECT FROM loads FOR UPDATE; INSERT INTO documents (load_id, kind, name, media_type, "
        "size, sha256, object_key, user_id) VALUES (1, 'POD', '', '', 1, '', '', 1)"
    )
    late = beaten(client.app, other, add, client)
    assert_problem(late, 409, "too_many_documents")
    assert (objects(client), events(client)) == ([], ["LOAD_CREATED"])


@pytest.mark.parametrize("client", ["file"], indirect=True)
def test_delivered_loads_without_a_pod_are_listed(client):
    for number in range(3):
        driver = client.make_driver(f"TX-{number}")
        client.close(client.assign(driver, client.make_load()), "COMPLETED")
    assert [load["id"] for load in client.get("/loads?withoutPod=true").json] == [4, 3, 2]
    add(client, "/loads/3/documents?kind=POD")
    add(client, "/loads/2/documents?kind=BOL")
    answer = client.get("/loads?withoutPod=true")
    assert ([load["id"] for load in answer.json], answer.headers["X-Cache"]) == ([4, 2], "MISS")
    stale = client.request("DELETE", "/documents/1", headers={"If-Match": '"stale"'})
    assert_problem(stale, 412, "precondition_failed")
    current = {"If-Match": client.get("/loads/3").headers["ETag"]}
    assert client.request("DELETE", "/documents/1", headers=current).status_code == 204


def test_a_retry_adds_nothing_and_what_has_no_row_is_swept(client, monkeypatch):
    key = {"Idempotency-Key": "photo"}
    first, again = add(client, **key), add(client, **key)
    assert (again.json, again.headers["Idempotency-Replayed"]) == (first.json, "true")
    assert_problem(add(client, data=png(), **key), 422, "idempotency_key_reused")
    assert_problem(add(client, "/loads/9/documents?kind=POD"), 404, "load_not_found")
    assert len(objects(client)) == 1, "what was refused or replayed is gone at once"
    for name in ("notes/of-somebody-else.txt", f"document-{uuid4()}"):
        client.store.put(name, b"")
    assert events(client) == ["LOAD_CREATED", "DOCUMENT_ADDED"]
    documents_store = client.app.extensions["documents"]
    with client.app.app_context():
        documents_store.sweep(Event())
        assert len(objects(client)) == 3, "they may be about to get a row"
        monkeypatch.setattr(documents, "ORPHAN_AGE", -timedelta(days=1))
        documents_store.sweep(Event())
    assert "notes/of-somebody-else.txt" in objects(client)
    assert len(objects(client)) == 2
    assert client.get("/documents/1").data == GOOD["image/jpeg"]
    assert client.get("/readyz").json["dependencies"]["documents"] == "ok"


def test_a_bucket_that_does_not_exist_is_away(settings, s3_settings, monkeypatch):
    for name, value in s3_settings.items():
        monkeypatch.setenv(name, value)
    with another_app(settings, DOCUMENTS_URL="s3://no-such-bucket") as here:
        ready = here.test_client().get("/readyz").json
        assert ready["dependencies"]["documents"] == "away"
