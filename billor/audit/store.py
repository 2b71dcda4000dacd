"""The protocol of audit stores, and the choice of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from flask import current_app

from billor.events.event import AuditDocument

# A document's position in the sort order: its timestamp and its id.
Position = tuple[str, str]


class StoreUnavailable(Exception):
    """The store is unavailable or fails. Whether anything was stored is unknown."""


@dataclass(frozen=True)
class AuditFilter:
    """A search for what happened to loads and drivers, or to accounts. None matches all.

    Times have the format of documents' timestamps; `since` is included, `until` is not.
    """

    of_accounts: bool = False
    load_id: int | None = None
    driver_id: int | None = None
    user_id: int | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None

    def start(self, after: Position | None) -> Position | None:
        """Return the position that matches come after: the earlier of `after` and `until`."""
        positions = [after] if after else []
        if self.until:
            positions.append((self.until, ""))  # the empty string sorts before every id
        return min(positions, default=None)


class Found(NamedTuple):
    """Documents found. If not `is_complete`, new documents may be missing."""

    documents: list[AuditDocument]
    is_complete: bool = True


class AuditStore(Protocol):
    """Stores audit documents. Every method may raise `StoreUnavailable`."""

    def prepare(self) -> None:
        """Create what the store needs, if missing."""

    def ping(self) -> None:
        """Return if the store answers, or raise."""

    def save(self, documents: Sequence[AuditDocument]) -> None:
        """Store documents durably; skip those whose id is already stored.

        If it raises, some of them may have been stored.
        """

    def find(self, wanted: AuditFilter, limit: int, after: Position | None = None) -> Found:
        """Return at most `limit` matching documents `after` a position, newest first."""


def connect_store(couchdb_url: str | None, database: str, home: Path) -> AuditStore:
    """Return the CouchDB store if its URL is set, else the SQLite store. Opens nothing yet."""
    # Imported here: CouchDB's client takes 7 MB and a fifth of a second.
    if couchdb_url is None:
        from billor.audit.sqlite import SqliteStore

        return SqliteStore(home / "audit.sqlite3")
    from billor.audit.couchdb import CouchStore

    return CouchStore(couchdb_url, database)


def audit_store() -> AuditStore:
    return current_app.extensions["audit_store"]
