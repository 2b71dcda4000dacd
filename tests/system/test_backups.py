"""`flask backup` and `flask restore`: what comes back, what is refused, and what is left as it was.

Backups are made of one database and restored into another one of the same server.
"""

import errno
import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import text

from billor.audit.sqlite import SqliteStore
from billor.audit.store import AuditStore, DeadLetter
from billor.backup import audit, database, programs, service
from billor.backup.lock import BACKUP_LOCK
from billor.database import transaction
from billor.drivers.service import create_drivers
from billor.events.event import to_audit_document, to_message
from billor.extensions import cache, db
from billor.loads.service import create_loads
from billor.manifest import NAME, checked
from billor.models import LoadEvent
from billor.revisions import pending_revisions, upgrade
from billor.users.service import create_user
from tests.support.apps import another_app, close_connections
from tests.support.bus import event_message
from tests.support.client import ApiClient
from tests.support.databases import own_database

PASSWORD = "a-good-password"
LETTER = DeadLetter(b'\x00{"id": \xff', {"type": "löad"}, "not JSON")
LOADS = [{"origin": "Łódź", "destination": "Reno\n".strip(), "cargo_type": "Steel"}] * 5
DRIVERS = [{"name": f"Driver {n}", "license_number": f"TX-{n}"} for n in range(3)]
ROWS = {
    "users": "id, name, email, password_hash, role, driver_id, is_active",
    "drivers": "*",
    "loads": "*",
    "driver_load_assignments": "*",
    "load_events": "id, type, load_id, driver_id, user_id, assignment_id, payload, created_at",
    "notifications": "*",
    "idempotency_keys": "*",
}


def run(app: Flask, *args: object) -> Result:
    return app.test_cli_runner().invoke(args=[str(arg) for arg in args])


def error_line(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def rows(app: Flask) -> dict[str, list]:
    """What a backup has of each table."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            table: sorted(map(repr, connection.execute(text(f"SELECT {columns} FROM {table}"))))  # noqa: S608
            for table, columns in ROWS.items()
        }


def execute(app: Flask, statement: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))


def ask(app: Flask, query: str):
    with app.app_context(), db.engine.connect() as connection:
        return connection.scalar(text(query))


def record_all(app: Flask) -> None:
    """Publish and record all events by hand."""
    with app.app_context(), transaction():
        events = db.session.query(LoadEvent).all()
        store_of(app).save([to_audit_document(to_message(event).data) for event in events])
        db.session.execute(text("UPDATE load_events SET published_at = now(), recorded_at = now()"))


def store_of(app: Flask) -> AuditStore:
    return app.extensions["audit_store"]


def documents(app: Flask) -> list[dict]:
    return store_of(app).page(1000)


@contextmanager
def an_app(settings: Mapping[str, str], home: Path) -> Iterator[Flask]:
    """An app on an empty database and an audit store of its own."""
    with own_database(settings) as own, another_app(own, BILLOR_HOME=str(home)) as app:
        yield app


LOAD_BODY = {"origin": "Austin, TX", "destination": "Reno, NV", "cargoType": "Flatbed"}


def client_of(app: Flask) -> ApiClient:
    with app.app_context():
        return ApiClient(app.test_client(), create_access_token("1"))


@pytest.fixture(scope="module")
def source(settings, tmp_path_factory) -> Iterator[Flask]:
    """An app with some of everything, for all tests."""
    with an_app(settings, tmp_path_factory.mktemp("source")) as app:
        with app.app_context():
            upgrade()
            create_user("Dana", "dana@billor.example", PASSWORD)
            create_drivers(DRIVERS)
            create_loads(LOADS)
        client = client_of(app)
        for load_id in (1, 2):
            client.assign({"id": load_id}, {"id": load_id})
        client.close({"id": 1}, "COMPLETED")
        client.post("/loads", LOAD_BODY, headers={"Idempotency-Key": "a-key"})
        record_all(app)
        store_of(app).bury(LETTER)
        execute(app, "INSERT INTO notifications (event_id) SELECT id FROM load_events LIMIT 2")
        yield app


@pytest.fixture
def target(settings, tmp_path: Path) -> Iterator[Flask]:
    """An app without tables."""
    with an_app(settings, tmp_path / "target") as app:
        yield app


@pytest.fixture(scope="module")
def backup(source: Flask, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("backup")
    done = run(source, "backup", folder)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{len(documents(source))} audit documents, 1 dead letters and")
    return folder


@pytest.fixture
def folder(backup: Path, tmp_path: Path) -> Path:
    """A backup of the source, which the test may damage."""
    return Path(shutil.copytree(backup, tmp_path / "backup"))


def restored(target: Flask, folder: Path, *options: str) -> Result:
    close_connections(target)
    done = run(target, "restore", folder, *options)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done


def test_a_restore_brings_back_every_row_document_and_dead_letter(source, target, folder):
    restored(target, folder)
    assert rows(target) == rows(source)
    assert documents(target) == documents(source)
    (letter,) = store_of(target).dead_letters()
    assert (letter.id, letter.reason) == (LETTER.id, LETTER.reason)
    assert store_of(target).dead_letter_data(letter.id) == LETTER.data
    assert ask(target, "SELECT version_num FROM alembic_version") == pending_revisions(None)[-1]


def test_a_restored_system_goes_on_where_the_backup_was(source, target, folder):
    restored(target, folder)
    client = client_of_restored(target)
    assert client.post("/loads", LOAD_BODY).json["id"] == 7
    assert [driver["id"] for driver in client.get("/drivers?available=true").json] == [3, 1]
    refused = client.post("/assignments", {"driverId": 2, "loadId": 3})
    assert refused.json["code"] == "driver_already_assigned"
    again = client.post("/loads", LOAD_BODY, headers={"Idempotency-Key": "a-key"})
    assert (again.json["id"], again.headers["Idempotency-Replayed"]) == (6, "true")
    assert [load["id"] for load in client.get("/loads?q=lodz").json] == [5, 4, 3, 2, 1]


def client_of_restored(app: Flask) -> ApiClient:
    """A client that has logged in since."""
    credentials = {"email": "dana@billor.example", "password": PASSWORD}
    answer = app.test_client().post("/auth/login", json=credentials)
    return ApiClient(app.test_client(), answer.json["access_token"])


def test_a_restore_ends_every_token_and_session(source, target, folder):
    before = [client_of(source).token, client_of_restored(source).token]
    restored(target, folder)
    for token in before:
        assert ApiClient(target.test_client(), token).get("/me").status_code == 401
    assert ask(target, "SELECT count(*) FROM sessions") == 0
    assert client_of_restored(target).get("/me").status_code == 200


def test_events_that_the_copied_trail_may_lack_are_published_again(
    source, target, tmp_path, monkeypatch
):
    execute(source, "UPDATE load_events SET recorded_at = NULL WHERE type = 'driver.created'")
    folder, read = tmp_path / "backup", store_of(source).page
    later = "UPDATE load_events SET recorded_at = clock_timestamp() WHERE type = 'load.assigned'"

    def page(limit: int, after: str = "") -> list[dict]:
        execute(source, later)  # after the copy has begun
        return read(limit, after)

    monkeypatch.setattr(store_of(source), "page", page)
    assert run(source, "backup", folder).exit_code == 0
    restored(target, folder)
    with target.app_context():
        by_state = dict(
            db.session.execute(
                text(
                    "SELECT type, bool_and(published_at IS NULL AND recorded_at IS NULL)"
                    " FROM load_events GROUP BY type"
                )
            ).all()
        )
        db.session.remove()
    assert {type_ for type_, is_again in by_state.items() if is_again} == {
        "driver.created",
        "load.assigned",
    }


def test_a_copy_of_the_trail_ends_while_events_are_recorded(tmp_path, monkeypatch):
    store, pages = SqliteStore(tmp_path / "audit.db"), count(1)
    read = store.page

    def page(limit: int, after: str = "") -> list[dict]:
        assert next(pages) < 10, "it does not end"
        store.save([to_audit_document(event_message().data) for _ in range(3)])
        return read(limit, after)

    monkeypatch.setattr(store, "page", page)
    assert audit.copy_documents(store, tmp_path / "audit.jsonl.gz") == 3


def test_numbers_of_transactions_of_the_old_cluster_are_forgotten(source, target, folder):
    assert ask(source, "SELECT count(transaction_id) FROM load_events") > 0
    restored(target, folder)
    assert ask(target, "SELECT count(transaction_id) FROM load_events") == 0
    assert ask(target, "SELECT count(*) FROM restores") == 1
    assert ask(target, "SELECT count(*) FROM pg_proc WHERE proname = 'adapt_event'") == 0


def test_a_restore_makes_cached_pages_invalid(target, folder):
    def generation() -> str:
        with target.app_context():
            return cache.cache.first_generation()

    before = generation()
    restored(target, folder)
    assert generation() != before


def test_a_restore_replaces_only_if_told(source, target, folder):
    with target.app_context():
        upgrade()
        create_user("Somebody", "somebody@billor.example", PASSWORD)
        create_loads([LOADS[0] | {"origin": "Elsewhere"}])
    record_all(target)
    before = rows(target), documents(target)
    close_connections(target)
    assert error_line(run(target, "restore", folder)).endswith("and say --replace.")
    assert (rows(target), documents(target)) == before
    restored(target, folder, "--replace")
    assert (rows(target), documents(target)) == (rows(source), documents(source))


def test_an_audit_store_with_documents_is_not_empty_either(source, target, folder):
    store_of(target).save(documents(source)[:1])
    assert error_line(run(target, "restore", folder)).endswith("and say --replace.")


def test_what_interrupts_a_restore_leaves_postgresql_as_it_was(source, target, folder):
    restored(target, folder)
    execute(target, "UPDATE loads SET origin = 'Changed since'")
    before = rows(target)
    dump = folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    tell_checksum(folder, dump)
    close_connections(target)
    told = error_line(run(target, "restore", folder, "--replace"))
    assert told.startswith(("pg_restore failed: ", "psql failed: ")), told
    assert rows(target) == before


def tell_checksum(folder: Path, file: Path) -> None:
    """Have the manifest tell what the file is now."""
    manifest = json.loads((folder / NAME).read_text())
    manifest["files"][file.name] |= checked(file)
    (folder / NAME).write_text(json.dumps(manifest))


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def change_manifest(folder: Path, **changes) -> None:
    manifest = json.loads((folder / NAME).read_text()) | changes
    (folder / NAME).write_text(json.dumps(manifest))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed dump": (lambda folder: damage(folder / "database.dump"), "checksum"),
    "changed documents": (lambda folder: damage(folder / "audit.ndjson.gz"), "checksum"),
    "a missing file": (lambda folder: (folder / "audit.ndjson.gz").unlink(), "cannot be read"),
    "no manifest": (lambda folder: (folder / NAME).unlink(), "cannot be read"),
    "a changed manifest": (lambda folder: (folder / NAME).write_text("{"), "is damaged"),
    "another folder": (lambda folder: change_manifest(folder, kind="archive"), "is no backup"),
    "a newer Billor": (lambda folder: change_manifest(folder, revision="9999"), "newer version"),
    "a newer PostgreSQL": (
        lambda folder: change_manifest(folder, postgresql={"server": 99, "programs": 99}),
        "one that is as new",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_backup_that_cannot_be_restored_is_refused_untouched(source, target, folder, kind):
    do_damage, told = DAMAGE[kind]
    do_damage(folder)
    assert told in error_line(run(target, "restore", folder))
    assert ask(target, "SELECT count(*) FROM pg_class WHERE relname = 'loads'") == 0
    assert documents(target) == []


def test_a_restore_waits_for_nobody_who_is_connected(source, target, folder):
    assert ask(target, "SELECT 1") == 1  # and stays connected, as an API does
    assert error_line(run(target, "restore", folder)).startswith("1 connections of Billor are open")


def test_a_folder_with_files_is_not_written_to(source, folder):
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert error_line(run(source, "backup", folder)).endswith("is not empty: name another folder.")
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_a_database_that_is_not_migrated_is_not_backed_up(target, tmp_path):
    told = error_line(run(target, "backup", tmp_path / "backup"))
    assert told == "The database is not migrated: run `flask db upgrade` first."


def test_missing_programs_are_told_in_one_line(source, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "embedded_programs", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    told = error_line(run(source, "backup", tmp_path / "backup"))
    assert "pg_dump, pg_restore, psql of that version on PATH; found: none" in told
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize(
    ("installed", "server", "to_restore", "chosen"),
    [
        ([18], 18, True, 18),
        ([18, 17], 17, True, 17),
        ([18], 16, False, 18),
        ([18], 17, True, 18),
        ([18], 16, True, None),
        ([15], 18, False, None),
    ],
)
def test_programs_fit_the_server(monkeypatch, installed, server, to_restore, chosen):
    found = [programs.Programs(Path("/"), version) for version in installed]
    monkeypatch.setattr(programs, "_installed", lambda: iter(found))
    if chosen is None:
        with pytest.raises(programs.ProgramsMissing):
            programs.find_programs(server, to_restore=to_restore)
    else:
        assert programs.find_programs(server, to_restore=to_restore).version == chosen


def test_no_secret_is_in_a_backup_or_in_a_command_line(source, folder, settings, monkeypatch):
    config = source.config["BILLOR"]
    secrets = [config.jwt_secret_key, "test-password", config.demo_password]
    for file in folder.iterdir():
        content = file.read_bytes()
        content += gzip.decompress(content) if file.suffix == ".gz" else b""
        assert not [secret for secret in secrets if secret.encode() in content], file.name
        assert file.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    address, environment = database._address("postgresql://a:pass%20word@h:1/n?sslmode=require")
    assert "pass" not in address
    assert (environment["PGPASSWORD"], "sslmode=require" in address) == ("pass word", True)


def test_a_subscription_that_cannot_be_deleted_is_told(target, folder, monkeypatch):
    def connect(_) -> None:
        raise ConnectionError("no\nroute")

    monkeypatch.setattr(service, "connect_bus", connect)
    done = run(target, "restore", folder)
    (line,) = done.stderr.splitlines()
    assert (done.exit_code, line[:51]) == (0, "Delete the subscription load-events-audit before a ")


def test_archiving_and_backups_keep_out_of_each_others_way(source, tmp_path):
    archive = ("events", "archive", tmp_path / "archive", "--older-than-days", "35")
    with source.app_context(), db.engine.begin() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({BACKUP_LOCK})"))
        assert error_line(run(source, *archive)).startswith("A backup is being made")
    assert run(source, *archive).exit_code == 0


def test_a_full_disk_is_told_in_one_line(source, tmp_path, monkeypatch):
    def write(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit, "write_lines", write)
    told = error_line(run(source, "backup", tmp_path / "backup"))
    assert told == "[Errno 28] No space left on device"


def test_an_unavailable_service_is_told_in_one_line(source, settings, tmp_path):
    (tmp_path / "file").touch()
    url = source.config["BILLOR"].database_url
    with another_app(settings, DATABASE_URL=url, BILLOR_HOME=str(tmp_path / "file")) as app:
        told = error_line(run(app, "backup", tmp_path / "backup"))
    assert told.startswith("The audit store is away")
    with another_app(settings, DATABASE_URL="postgresql://a@127.0.0.1:1/n") as nowhere:
        assert error_line(run(nowhere, "backup", tmp_path / "b")).startswith("PostgreSQL is away")
