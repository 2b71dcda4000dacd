"""The audit store on a SQLite file, for one machine."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from billor.api.blocking import in_thread
from billor.audit.store import (
    AuditDocument,
    AuditFilter,
    DeadLetter,
    Found,
    Position,
    StoredLetter,
    StoreUnavailable,
)

BUSY_SECONDS = 5
"""How long to wait for another process's write."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    id TEXT PRIMARY KEY,
    of_account INTEGER NOT NULL,
    load_id INTEGER,
    driver_id INTEGER,
    user_id INTEGER,
    type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS audit_by_load_id ON audit (load_id, timestamp, id);
CREATE INDEX IF NOT EXISTS audit_by_driver_id ON audit (driver_id, timestamp, id);
CREATE INDEX IF NOT EXISTS audit_by_user_id ON audit (user_id, timestamp, id);
CREATE INDEX IF NOT EXISTS audit_by_type ON audit (type, timestamp, id);
CREATE INDEX IF NOT EXISTS audit_by_of_account ON audit (of_account, timestamp, id);
CREATE TABLE IF NOT EXISTS dead_letters (
    id TEXT PRIMARY KEY,
    attributes TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at TEXT NOT NULL,
    data BLOB NOT NULL
);
"""


class SqliteStore:
    """Opens the file anew for each call, so that it may be used from any thread or process."""

    def __init__(self, path: Path):
        self._path = path

    def prepare(self) -> None:
        with self._open(), suppress(PermissionError):  # opening creates the tables
            self._path.parent.chmod(0o700)

    @in_thread
    def ping(self) -> None:
        with self._open() as connection:
            connection.execute("SELECT 1 FROM audit LIMIT 1")

    def save(self, documents: Sequence[AuditDocument]) -> None:
        rows = [
            (
                document["_id"],
                "userId" in document,
                document.get("loadId"),
                document.get("driverId"),
                document.get("userId"),
                document["type"],
                document["timestamp"],
                json.dumps(document),
            )
            for document in documents
        ]
        with self._open() as connection, connection:
            connection.executemany(
                "INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    @in_thread
    def find(self, wanted: AuditFilter, limit: int, after: Position | None = None) -> Found:
        filters = {
            "load_id": wanted.load_id,
            "driver_id": wanted.driver_id,
            "user_id": wanted.user_id,
            "type": wanted.type,
            "of_account": wanted.of_accounts,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        conditions, values = [f"{name} = ?" for name in given], [*given.values()]
        if wanted.since:
            conditions.append("timestamp >= ?")
            values.append(wanted.since)
        if start := wanted.start(after):
            conditions.append("(timestamp, id) < (?, ?)")
            values += start
        # The first filter is the most selective one, which SQLite cannot know.
        query = (
            f"SELECT document FROM audit INDEXED BY audit_by_{next(iter(given))}"  # noqa: S608 - of constants
            f" WHERE {' AND '.join(conditions)} ORDER BY timestamp DESC, id DESC LIMIT ?"
        )
        with self._open() as connection:
            rows = connection.execute(query, [*values, limit]).fetchall()
        return Found([json.loads(document) for (document,) in rows])

    def save_dead_letter(self, letter: DeadLetter) -> None:
        row = (
            letter.id,
            json.dumps(letter.attributes),
            letter.reason,
            letter.received_at.isoformat(),
            letter.data,
        )
        with self._open() as connection, connection:
            connection.execute("INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?)", row)

    def dead_letters(self) -> list[StoredLetter]:
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, length(data), attributes, reason, received_at FROM dead_letters"
                " ORDER BY received_at, id"
            ).fetchall()
        return [
            StoredLetter(id_, size, json.loads(attributes), reason, datetime.fromisoformat(time))
            for id_, size, attributes, reason, time in rows
        ]

    def dead_letter_data(self, id_: str) -> bytes:
        with self._open() as connection:
            rows = connection.execute("SELECT data FROM dead_letters WHERE id = ?", (id_,))
            return rows.fetchone()[0]

    def remove_dead_letter(self, id_: str) -> None:
        with self._open() as connection, connection:
            connection.execute("DELETE FROM dead_letters WHERE id = ?", (id_,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self._path.touch(mode=0o600, exist_ok=False)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
                connection.executescript(SCHEMA)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(str(error)) from error
