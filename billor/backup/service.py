"""A backup of all data, and its restore.

The audit store is copied before PostgreSQL is dumped: so each document in a backup has its event.
An event without a document is published again after a restore.
"""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from billor.audit.store import AuditStore
from billor.backup import audit
from billor.backup.database import dump, load
from billor.backup.programs import find_programs
from billor.backup.server import BackupFailed, Server, connect_server, take_backup_lock
from billor.cache.pages import invalidate_pages
from billor.config import Config
from billor.events.connect import connect_bus
from billor.http.api import API_VERSION
from billor.manifest import checked, make_folder, read_manifest, write_manifest
from billor.revisions import is_known, upgrade

KIND = "backup"
DUMP = "database.dump"
DOCUMENTS = "audit.ndjson.gz"
DEAD_LETTERS = "dead-letters.ndjson.gz"


def back_up(config: Config, store: AuditStore, folder: Path) -> dict[str, Any]:
    """Write a backup into a new folder, while everything runs; return its manifest.

    Raises `BackupFailed`, `ProgramsMissing`, `FolderRefused`, `StoreUnavailable`.
    """
    with connect_server(config) as server:
        programs = find_programs(server.version)
        revision = server.revision()
        if revision is None or not server.has_table("restores"):
            raise BackupFailed("The database is not migrated: run `flask db upgrade` first.")
        make_folder(folder)
        began_at = take_backup_lock(server)
        lines = {
            DOCUMENTS: audit.copy_documents(store, folder / DOCUMENTS),
            DEAD_LETTERS: audit.copy_dead_letters(store, folder / DEAD_LETTERS),
        }
        dump(server, programs, folder / DUMP)
        manifest = {
            "billor": API_VERSION,
            "beganAt": began_at.isoformat(),
            "revision": revision,
            "postgresql": {"server": server.version, "programs": programs.version},
            "files": {DUMP: checked(folder / DUMP)}
            | {name: checked(folder / name) | {"lines": count} for name, count in lines.items()},
        }
        write_manifest(folder, KIND, manifest)
    return manifest


def restore(
    config: Config, store: AuditStore, folder: Path, *, replace: bool = False
) -> dict[str, Any]:
    """Bring back what is in a backup, and migrate it; return its manifest.

    Nothing of Billor may run meanwhile. Data that is there is refused, or, with `replace`, removed.
    PostgreSQL comes last, as one transaction: what was interrupted has not begun, or is repeated.
    Needs an application context.

    Raises `BackupFailed`, `ProgramsMissing`, `FolderRefused`, `StoreUnavailable`.
    """
    manifest = read_manifest(folder, KIND)
    with connect_server(config) as server:
        _check(server, manifest)
        programs = find_programs(
            max(server.version, manifest["postgresql"]["programs"]), to_restore=True
        )
        store.prepare()
        if replace:
            audit.empty(store)
        elif not server.is_empty() or not audit.is_empty(store):
            raise BackupFailed(
                "There is data in PostgreSQL or in the audit store: look whether it may go, and "
                "say --replace."
            )
        server.release()
        audit.load_documents(store, folder / DOCUMENTS)
        audit.load_dead_letters(store, folder / DEAD_LETTERS)
        load(server, programs, folder / DUMP, datetime.fromisoformat(manifest["beganAt"]))
    upgrade()
    invalidate_pages()
    return manifest


def forget_messages(config: Config) -> None:
    """Have the bus forget messages from before a restore: they tell of what is no more.

    Raises what the bus's client raises.
    """
    with closing(connect_bus(config)) as bus:
        bus.delete_subscription()


def _check(server: Server, manifest: dict[str, Any]) -> None:
    if not is_known(manifest["revision"]):
        raise BackupFailed(
            f"The backup is of a newer version of Billor, revision {manifest['revision']}: restore "
            "it with that."
        )
    if server.version < manifest["postgresql"]["server"]:
        raise BackupFailed(
            f"The backup is of PostgreSQL {manifest['postgresql']['server']}, and this is "
            f"{server.version}: restore it into one that is as new."
        )
    if others := server.others():
        raise BackupFailed(
            f"{others} connections of Billor are open: stop all APIs and workers. A connection "
            "pooler may keep some for a while."
        )
