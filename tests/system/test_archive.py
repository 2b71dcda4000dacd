"""`flask events archive`: what is moved to files, what stays, and what an interruption leaves."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from billor.archive import selection, service
from billor.archive.service import Archiver
from billor.audit.store import StoreUnavailable
from billor.database import transaction
from billor.events.event import to_audit_document, to_message
from billor.extensions import db
from billor.manifest import read_manifest
from billor.models import LoadEvent
from tests.support.apps import client_with_token

DAYS = 40
TABLES = ("load_events", "driver_load_assignments")


@pytest.fixture
def client(app):
    return client_with_token(app)


@pytest.fixture
def archive(app, tmp_path) -> Callable[..., Result]:
    def run(*options: str) -> Result:
        args = ["events", "archive", str(tmp_path / "archive"), *options]
        return app.test_cli_runner().invoke(args=args)

    return run


def execute(app: Flask, *statements: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def settle(app: Flask) -> None:
    """Record all events, and make everything 50 days older."""
    with app.app_context(), transaction():
        events = db.session.query(LoadEvent).all()
        for table, columns in {
            "load_events": ("created_at",),
            "loads": ("created_at", "updated_at"),
            "driver_load_assignments": ("assigned_at", "closed_at"),
        }.items():
            times = ", ".join(f"{column} = {column} - interval '50 days'" for column in columns)
            db.session.execute(text(f"UPDATE {table} SET {times}"))  # noqa: S608
        db.session.execute(text("UPDATE load_events SET published_at = now(), recorded_at = now()"))
        db.session.expire_all()
        store = app.extensions["audit_store"]
        store.save([to_audit_document(to_message(event).data) for event in events])


def stored_ids(app: Flask) -> dict[str, set[str]]:
    """The ids of events, of assignments and of documents that are left."""
    with app.app_context(), db.engine.connect() as connection:
        events, assignments = (
            {str(id_) for id_ in connection.scalars(text(f"SELECT id FROM {table}"))}  # noqa: S608
            for table in TABLES
        )
    documents = {document["_id"] for document in app.extensions["audit_store"].page(1000)}
    return {"event": events, "assignment": assignments, "document": documents}


def archived(parent: Path) -> dict[str, list[dict]]:
    """The rows of all archives, by kind, after a check of all manifests."""
    found: dict[str, list[dict]] = {"event": [], "assignment": [], "document": []}
    for folder in (file.parent for file in parent.glob("*/manifest.json")):
        manifest = read_manifest(folder, "archive")
        assert {file.name for file in folder.iterdir()} == {"manifest.json", *manifest["files"]}
        for name in manifest["files"]:
            for line in gzip.decompress((folder / name).read_bytes()).splitlines():
                ((kind, row),) = json.loads(line).items()
                found[kind].append(row)
    return found


def archived_ids(parent: Path) -> dict[str, set[str]]:
    rows = archived(parent)
    return {
        kind: {str(row["_id" if kind == "document" else "id"]) for row in each}
        for kind, each in rows.items()
    }


@pytest.fixture
def history(app, client) -> Flask:
    """Load 1 was completed after a cancelled assignment, 2 is assigned, 3 is open, 4 cancelled
    after an assignment; all of it long ago."""
    for n in range(3):
        client.make_driver(f"TX-{n}")
    for _ in range(4):
        client.make_load()
    client.close(client.assign({"id": 1}, {"id": 1}), "CANCELLED")
    client.close(client.assign({"id": 2}, {"id": 1}), "COMPLETED")
    client.assign({"id": 1}, {"id": 2})
    client.close(client.assign({"id": 3}, {"id": 4}), "CANCELLED")
    client.patch("/loads/4", {"status": "CANCELLED"})
    settle(app)
    return app


def test_what_is_settled_is_moved_to_files_and_all_else_stays(history, archive, client, tmp_path):
    before = stored_ids(history)
    done = archive("--older-than-days", str(DAYS))
    assert (done.exit_code, done.stderr) == (0, "")
    # Of loads 1 and 4 five and four, and of three drivers; the user's was none.
    assert done.stdout.startswith("12 events, 2 assignments and 12 audit documents are in ")
    left, moved = stored_ids(history), archived_ids(tmp_path / "archive")
    for kind, ids in before.items():
        assert left[kind] | moved[kind] == ids
        assert not left[kind] & moved[kind]
    assert len(client.get("/loads").json) == 4
    assert [len(client.get(f"/loads/{n}/timeline").json) for n in (1, 2, 3, 4)] == [0, 2, 1, 0]
    assert {row["loadId"] for row in client.get("/audit").json} == {2, 3}
    assignments = client.get("/assignments").json
    assert {(row["loadId"], row["status"]) for row in assignments} == {
        (2, "ASSIGNED"),
        (4, "CANCELLED"),
    }
    assert client.get("/assignments/2").status_code == 404


def test_files_have_rows_and_documents_as_they_were(history, archive, client, tmp_path):
    documents = {row["_id"]: row for row in client.get("/audit?limit=200").json}
    timeline = client.get("/loads/1/timeline").json
    archive("--older-than-days", str(DAYS))
    rows = archived(tmp_path / "archive")
    assert all(documents[row["_id"]] == row for row in rows["document"])
    of_load = sorted(
        (row for row in rows["event"] if row["load_id"] == 1), key=lambda row: row["created_at"]
    )
    assert [row["payload"] for row in of_load] == [entry["payload"] for entry in timeline]
    assert "transaction_id" not in of_load[0]
    assert [row["status"] for row in rows["assignment"]] == ["CANCELLED", "COMPLETED"]


def test_only_what_is_old_enough_and_recorded_is_archived(history, archive, tmp_path):
    execute(
        history,
        "UPDATE loads SET updated_at = now() - interval '39 days' WHERE id = 4",
        "UPDATE load_events SET recorded_at = NULL WHERE load_id = 1 AND type = 'load.completed'",
        "UPDATE load_events SET recorded_at = NULL WHERE driver_id = 2 AND load_id IS NULL",
    )
    assert archive("--older-than-days", str(DAYS)).stdout.startswith("2 events, 0 assignments")
    assert {row["driver_id"] for row in archived(tmp_path / "archive")["event"]} == {1, 3}


def test_archiving_again_finds_nothing_and_makes_no_folder(history, archive, tmp_path):
    archive("--older-than-days", str(DAYS))
    (folder,) = (tmp_path / "archive").iterdir()
    again = archive("--older-than-days", str(DAYS))
    assert again.stdout == "Nothing was settled more than 40 days ago.\n"
    assert list((tmp_path / "archive").iterdir()) == [folder]


def test_figures_stay_the_same(history, client, archive, app):
    client.close(client.assign({"id": 2}, {"id": 3}), "COMPLETED")
    client.patch("/loads/4", {"status": "OPEN"})
    client.assign({"id": 2}, {"id": 4})

    def figures() -> dict:
        app.extensions["stats"].clear()
        return {name: value for name, value in client.get("/stats").json.items() if name != "at"}

    before = figures()
    archive("--older-than-days", "35")
    assert figures() == before


def test_a_cancelled_load_is_reopened_after_its_events_were_archived(history, archive, client):
    archive("--older-than-days", str(DAYS))
    assert client.patch("/loads/4", {"status": "OPEN"}).status_code == 200
    assert [entry["type"] for entry in client.get("/loads/4/timeline").json] == ["LOAD_UPDATED"]
    client.assign({"id": 2}, {"id": 4})
    assert client.get("/stats").json["medianSecondsToAssign"] is None, "it was assigned before"


def test_the_setting_says_how_old(history, app, archive, monkeypatch):
    told = "Error: How old? Set RETENTION_DAYS, or say --older-than-days.\n"
    refused = archive()
    assert (refused.exit_code, refused.stderr) == (1, told)
    assert archive("--older-than-days", "34").exit_code == 2
    config = app.config["BILLOR"]
    monkeypatch.setitem(app.config, "BILLOR", Changed(config, retention_days=DAYS))
    assert archive().stdout.startswith("12 events")


class Changed:
    """Settings, of which some are others."""

    def __init__(self, config, **changes):
        self.__dict__.update(vars(config), **changes)


@pytest.mark.parametrize("step", ["documents", "rows", "file"])
def test_what_was_interrupted_is_archived_the_next_time(
    history, archive, tmp_path, monkeypatch, step
):
    before = stored_ids(history)
    store = history.extensions["audit_store"]

    def fail(*_):
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        match step:
            case "documents":
                patch.setattr(store, "remove", fail)
            case "rows":
                patch.setattr(selection, "delete_rows", fail)
            case "file":
                patch.setattr(service, "read_lines", lambda _: ["something else"])
        failed = archive("--older-than-days", str(DAYS))
    assert failed.exit_code == 1
    assert len(failed.stderr.splitlines()) == 1
    left = stored_ids(history)
    assert (left["event"], left["assignment"]) == (before["event"], before["assignment"])
    if step != "rows":
        assert left["document"] == before["document"]

    assert archive("--older-than-days", str(DAYS)).stdout.startswith("12 events, 2 assignments")
    left, moved = stored_ids(history), archived_ids(tmp_path / "archive")
    assert all(left[kind] | moved[kind] == ids for kind, ids in before.items())
    documents = archived(tmp_path / "archive")["document"]
    assert len({json.dumps(row, sort_keys=True) for row in documents}) == 12


def test_two_archivings_at_once_move_everything_once(app, client, tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "BATCH_LOADS", 5)
    monkeypatch.setattr(selection, "EVENTS_OF_NO_LOAD", selection.EVENTS_OF_NO_LOAD.limit(7))
    for n in range(40):
        client.make_driver(f"TX-{n}")
        load = client.make_load()
        client.patch(f"/loads/{load['id']}", {"status": "CANCELLED"})
    settle(app)
    before = stored_ids(app)
    barrier = Barrier(2)

    def run(_) -> int:
        with app.app_context():
            barrier.wait()
            return Archiver(app.extensions["audit_store"], tmp_path / "archive", DAYS).run().events

    with ThreadPoolExecutor(2) as threads:
        counts = list(threads.map(run, range(2)))
    # What one has locked is left to it, and comes in a later run if it gives up.
    assert sum(counts) == len(before["event"]) == 120
    moved = archived(tmp_path / "archive")
    assert Counter(row["id"] for row in moved["event"]).most_common(1)[0][1] == 1
    assert stored_ids(app) == {"event": set(), "assignment": set(), "document": set()}


def test_archiving_goes_on_while_loads_are_dispatched(history, client, archive, app):
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(archive, "--older-than-days", str(DAYS))
        for n in range(20):
            driver, load = client.make_driver(f"NEW-{n}"), client.make_load()
            client.close(client.assign(driver, load), "COMPLETED")
        assert running.result().exit_code == 0
    for load_id in range(5, 25):
        assert len(client.get(f"/loads/{load_id}/timeline").json) == 3
