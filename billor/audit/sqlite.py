"""The audit store on a SQLite file, for one machine."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from billor.api.blocking import in_thread
from billor.audit.store import AuditDocument, AuditFilter, Found, Position, StoreUnavailable

BUSY_SECONDS = 5  # how long to wait for another process's write
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
