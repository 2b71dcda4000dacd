"""Moves what was settled long ago to files, in small batches, while everything runs.

For each batch: lock it, write it to a file, read that again, and only then delete it in the audit
store and, last, in PostgreSQL. What is interrupted before that comes again in a later file.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Row, func, select

from billor.archive import selection
from billor.audit.store import AuditDocument, AuditStore
from billor.backup.lock import keep_backups_away
from billor.database import execute, transaction
from billor.events.event import to_audit_document, to_message
from billor.http.api import API_VERSION
from billor.http.fields import wire_time
from billor.manifest import (
    FolderRefused,
    checked,
    make_folder,
    read_lines,
    write_lines,
    write_manifest,
)

KIND = "archive"


class Archived(NamedTuple):
    """How many rows and documents were moved to files."""

    events: int = 0
    assignments: int = 0
    documents: int = 0


class Archiver:
    """One run, which writes into a folder of its own. Needs an application context."""

    def __init__(self, store: AuditStore, parent: Path, days: int):
        """Archive into a new folder in `parent` what was settled more than `days` ago."""
        self._store = store
        self._parent = parent
        self._days = days
        self.folder: Path | None = None
        """Where the files are, once there is something to archive."""
        self._files: dict[str, dict[str, Any]] = {}

    def run(self) -> Archived:
        """Archive all there is; return how much.

        Raises `FolderRefused`, `StoreUnavailable`, `Unavailable`, and `BackupIsMade`. Batches
        before that stay archived.
        """
        with transaction():
            self._before = execute(select(func.now() - timedelta(days=self._days))).scalar_one()
            last = selection.last_load_before(self._before)
        after = 0
        while load_ids := self._next_loads(after, last):
            after = max(load_ids)
            with transaction():
                keep_backups_away()
                self._move(*selection.settled_of_loads(load_ids, self._before))
        while self._move_events_of_no_load():
            pass
        return Archived(
            *(sum(file[name] for file in self._files.values()) for name in Archived._fields)
        )

    @staticmethod
    def _next_loads(after: int, last: int) -> Sequence[int]:
        with transaction():
            return selection.next_loads(after, last)

    def _move_events_of_no_load(self) -> int:
        with transaction():
            keep_backups_away()
            events = selection.settled_of_no_load(self._before)
            self._move(events, [])
        return len(events)

    def _move(self, events: Sequence[Row], assignments: Sequence[Row]) -> None:
        """Write rows and their documents to a file, and delete them."""
        if not events and not assignments:
            return
        ids = [str(event.id) for event in events]
        documents = self._documents(events, ids)
        self._write(
            {
                "event": [_values(event) for event in events],
                "assignment": [_values(assignment) for assignment in assignments],
                "document": documents,
            }
        )
        self._store.remove(ids)
        selection.delete_rows(events, assignments)

    def _documents(self, events: Sequence[Row], ids: Sequence[str]) -> list[AuditDocument]:
        """Return the documents of events; those that an interrupted run has deleted, as they were.

        All events were recorded, and a document is what its event says.
        """
        found = {document["_id"]: document for document in self._store.get(ids)}
        return [
            found.get(id_) or to_audit_document(to_message(event).data)
            for id_, event in zip(ids, events, strict=True)
        ]

    def _write(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Write a file, check that it is on disk as it should be, and note it in the manifest."""
        if self.folder is None:
            now = datetime.now(UTC)
            self.folder = self._parent / f"{now:%Y-%m-%dT%H-%M-%SZ}-{uuid4().hex[:8]}"
            make_folder(self.folder)
        lines = [
            json.dumps({kind: row}, default=_as_text) for kind, each in rows.items() for row in each
        ]
        file = self.folder / f"{len(self._files) + 1:06}.ndjson.gz"
        write_lines(file, lines)
        if list(read_lines(file)) != lines:
            raise FolderRefused(f"{file} is not as it was written: is the disk damaged?")
        counts = zip(Archived._fields, map(len, rows.values()), strict=True)
        self._files[file.name] = checked(file) | dict(counts)
        facts = {"billor": API_VERSION, "before": wire_time(self._before), "files": self._files}
        write_manifest(self.folder, KIND, facts)


def _values(row: Row) -> dict[str, Any]:
    """Return what to keep of a row: not the transaction, whose number is of this cluster."""
    return {name: value for name, value in row._mapping.items() if name != "transaction_id"}


def _as_text(value: Any) -> str:
    return wire_time(value) if isinstance(value, datetime) else str(value)
