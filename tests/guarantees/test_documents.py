"""Documents: processes killed between bytes and row, and a store that hangs."""

import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from billor.loads import documents
from tests.support.holds import Hold
from tests.support.photos import PDF
from tests.support.races import lose_answer
from tests.support.system import System

POD = "/loads/1/documents?kind=POD"
IMPATIENT = """
from billor.loads import documents
documents.TIMEOUT_SECONDS = 2
from wsgi import app
"""


def stored(system: System) -> int:
    return len(list((system.folder / "home" / "documents").iterdir()))


def test_a_process_killed_between_bytes_and_row_leaves_what_is_swept(
    system_without_bus: System, monkeypatch
):
    system = system_without_bus
    hold = Hold(system.folder, "holding", "INSERT INTO documents")
    api = system.start_api(1, app="holding:app")
    api.client.make_load()
    send = partial(api.client.post, POD, PDF, **{"Idempotency-Key": "photo"})
    lose_answer(api, api.client, hold, send)
    assert (stored(system), api.client.get("/loads/1/documents").body) == (1, [])
    assert api.client.get("/loads/1").body["hasPod"] is False
    again = send()
    assert again.status == 201
    monkeypatch.setattr(documents, "ORPHAN_AGE", -documents.ORPHAN_AGE)
    with system.app.app_context():
        system.app.extensions["documents"].sweep(Event())
    assert stored(system) == 1
    assert api.client.get(again.headers["Location"]).body == PDF


def test_a_store_that_hangs_keeps_nothing_else_waiting(system_without_bus: System):
    silent = socket.create_server(("127.0.0.1", 0))  # it accepts, and never answers
    (system_without_bus.folder / "impatient.py").write_text(IMPATIENT)
    api = system_without_bus.start_api(
        1,
        app="impatient:app",
        DOCUMENTS_URL="s3://billor",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
        DATABASE_POOL_SIZE="4",
    )
    client = api.client
    client.make_load()
    with ThreadPoolExecutor(20) as threads, silent:
        uploads = [threads.submit(client.post, POD, PDF) for _ in range(20)]
        while not all(upload.done() for upload in uploads):
            assert client.get("/loads").status == 200
            assert client.patch("/loads/1", {"notes": "Still here."}).status == 200
            ready = client.get("/readyz")
            assert (ready.status, ready.body["dependencies"]["documents"]) == (200, "away")
        refused = [upload.result() for upload in uploads]
    assert {(reply.status, reply.body["code"]) for reply in refused} == {
        (503, "documents_unavailable")
    }
    assert api.output.count("The document store is away") == 1
    assert client.get("/loads/1/timeline").body[-1]["type"] == "LOAD_UPDATED"
