"""Copies of the audit store: its documents and its dead letters, one on each line."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from billor.audit.store import AuditDocument, AuditStore, DeadLetter
from billor.backup.server import BackupFailed
from billor.manifest import read_lines, write_lines

BATCH_SIZE = 500


def copy_documents(store: AuditStore, file: Path) -> int:
    """Write all documents that are there when it begins, and perhaps later ones; return how many.

    Raises `StoreUnavailable`.
    """
    return write_lines(file, map(json.dumps, _documents(store)))


def copy_dead_letters(store: AuditStore, file: Path) -> int:
    """Write all dead letters; return how many. Raises `StoreUnavailable`."""
    return write_lines(file, map(json.dumps, _letters(store)))


def load_documents(store: AuditStore, file: Path) -> int:
    """Store the documents of a copy; return how many. Idempotent.

    Raises `StoreUnavailable`, and `BackupFailed` if the store refuses one.
    """
    lines, count = read_lines(file), 0
    while documents := [json.loads(line) for line in islice(lines, BATCH_SIZE)]:
        for document, reason in store.save(documents).refused:
            raise BackupFailed(f"The audit store refuses document {document['_id']}: {reason}.")
        count += len(documents)
    return count


def load_dead_letters(store: AuditStore, file: Path) -> int:
    """Store the dead letters of a copy; return how many. Idempotent. Raises `StoreUnavailable`."""
    count = 0
    for line in read_lines(file):
        letter = json.loads(line)
        store.bury(
            DeadLetter(
                base64.b64decode(letter["data"]),
                letter["attributes"],
                letter["reason"],
                datetime.fromisoformat(letter["receivedAt"]),
            )
        )
        count += 1
    return count


def is_empty(store: AuditStore) -> bool:
    """Return whether a store has neither documents nor dead letters. Raises `StoreUnavailable`."""
    return not store.page(limit=1) and not store.dead_letters()


def empty(store: AuditStore) -> None:
    """Remove all documents and dead letters. Raises `StoreUnavailable`."""
    while documents := store.page(limit=BATCH_SIZE):
        store.remove([document["_id"] for document in documents])
    for letter in store.dead_letters():
        store.remove_dead_letter(letter.id)


def _documents(store: AuditStore) -> Iterator[AuditDocument]:
    after = ""
    while True:
        page = store.page(limit=BATCH_SIZE, after=after)
        yield from page
        if len(page) < BATCH_SIZE:  # ids grow with time: to wait for none would take for ever
            return
        after = page[-1]["_id"]


def _letters(store: AuditStore) -> Iterator[dict]:
    for letter in store.dead_letters():
        yield {
            "attributes": letter.attributes,
            "reason": letter.reason,
            "receivedAt": letter.received_at.isoformat(),
            "data": base64.b64encode(store.dead_letter_data(letter.id)).decode(),
        }
