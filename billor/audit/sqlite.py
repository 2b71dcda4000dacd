"""The audit store on a SQLite file, for one machine."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import combinations
from pathlib import Path

from billor.audit.store import (
    ID_TAKEN,
    AccountFilter,
    AuditDocument,
    AuditFilter,
    BuriedLetter,
    DeadLetter,
    Found,
    Position,
    Refusal,
    Saved,
    StoreUnavailable,
    is_of_account,
)
from billor.blocking import in_thread

BUSY_SECONDS = 5
"""How long to wait for another process's write."""
DOCUMENTS = """
CREATE TABLE IF NOT EXISTS audit (
    id TEXT PRIMARY KEY,
    load_id INTEGER,
    driver_id INTEGER,
    type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account_audit (
    id TEXT PRIMARY KEY,
    user_id INTEGER,
    type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
"""
FILTERS = {
    "audit": {"load": "load_id", "driver": "driver_id", "type": "type"},
    "account_audit": {"user": "user_id", "type": "type"},
}
"""By table, the columns in the order of a filter's `values`."""
INDEXES = "".join(
    f"CREATE INDEX IF NOT EXISTS {table}_by_{'_'.join(chosen) or 'time'} ON {table}"
    f" ({', '.join((*(filters[each] for each in chosen), 'timestamp', 'id'))});\n"
    for table, filters in FILTERS.items()
    for count in range(len(filters) + 1)
    for chosen in combinations(filters, count)
)
"""One for each combination of filters."""

DEAD_LETTERS = """
CREATE TABLE IF NOT EXISTS dead_letters (
    id TEXT PRIMARY KEY,
    attributes TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at TEXT NOT NULL,
    data BLOB NOT NULL
);
"""


def _select_stored(columns: str) -> str:
    """Return a query by `ids`, of both tables: an id belongs to one document, of whichever."""
    return " UNION ALL ".join(
        f"SELECT {columns} FROM {table} WHERE id IN (SELECT value FROM json_each(:ids))"  # noqa: S608 - of constants
        for table in FILTERS
    )


STORED_IDS, STORED = _select_stored("id"), _select_stored("id, document")
PAGE = " UNION ALL ".join(
    # Each by its primary key: so a page is read in order, and not all that come after.
    f"SELECT * FROM (SELECT id, document FROM {table} WHERE id > :after ORDER BY id LIMIT :limit)"  # noqa: S608
    for table in FILTERS
)
PAGE = f"{PAGE} ORDER BY id LIMIT :limit"
INSERT_LOADS = "INSERT INTO audit VALUES (:_id, :loadId, :driverId, :type, :timestamp, :text)"
INSERT_ACCOUNTS = "INSERT INTO account_audit VALUES (:_id, :userId, :type, :timestamp, :text)"
SCHEMA = DOCUMENTS + INDEXES + DEAD_LETTERS
VERSION = 5
"""Of the schema; kept in the file."""
# Before version 5 each document had a load. SQLite changes a column only with the table.
SET_ASIDE = "ALTER TABLE audit RENAME TO audit_before;"
TAKE_OVER = "INSERT INTO audit SELECT * FROM audit_before; DROP TABLE audit_before;"
REBUILD = SET_ASIDE + DOCUMENTS + TAKE_OVER


class SqliteStore:
    """Opens the file anew for each call, so that it may be used from any thread or process."""

    def __init__(self, path: Path):
        self._path = path

    def prepare(self) -> None:
        self.ping()  # opening makes the tables

    @in_thread
    def ping(self) -> None:
        with self._open() as connection:
            connection.execute("SELECT 1 FROM audit LIMIT 1")

    def save(self, documents: Sequence[AuditDocument]) -> Saved:
        with self._open() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody else stores one meanwhile
            ids = json.dumps([document["_id"] for document in documents])
            stored = dict(connection.execute(STORED, {"ids": ids}))
            new, refused = [], []
            of_loads: list[AuditDocument] = []
            of_accounts: list[AuditDocument] = []
            for document in documents:
                id_ = document["_id"]
                if id_ not in stored:
                    stored[id_] = text = json.dumps(document)
                    new.append(document)
                    rows = of_accounts if is_of_account(document) else of_loads
                    rows.append({**document, "text": text})
                elif _canonical(json.loads(stored[id_])) != _canonical(document):
                    refused.append(Refusal(document, ID_TAKEN))
            connection.executemany(INSERT_LOADS, of_loads)
            connection.executemany(INSERT_ACCOUNTS, of_accounts)
        return Saved(new, refused)

    def index(self) -> None:
        """SQLite has done so while saving."""

    def missing(self, ids: Sequence[str]) -> set[str]:
        with self._open() as connection:
            found = connection.execute(STORED_IDS, {"ids": json.dumps(ids)}).fetchall()
        return set(ids) - {id_ for (id_,) in found}

    def get(self, ids: Sequence[str]) -> list[AuditDocument]:
        with self._open() as connection:
            rows = connection.execute(STORED, {"ids": json.dumps(ids)}).fetchall()
        return [json.loads(document) for _, document in rows]

    def page(self, limit: int, after: str = "") -> list[AuditDocument]:
        with self._open() as connection:
            rows = connection.execute(PAGE, {"after": after, "limit": limit}).fetchall()
        return [json.loads(document) for _, document in rows]

    def remove(self, ids: Sequence[str]) -> None:
        with self._open() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for table in FILTERS:
                connection.execute(
                    f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - of constants
                    [json.dumps(ids)],
                )

    @in_thread
    def find(
        self, wanted: AuditFilter | AccountFilter, limit: int, after: Position | None = None
    ) -> Found:
        table, index, where, values = _conditions(wanted, after)
        query = (
            # SQLite would have to guess which index is the one.
            f"SELECT document FROM {table} INDEXED BY {index} WHERE {where} "  # noqa: S608 - of constants
            "ORDER BY timestamp DESC, id DESC LIMIT ?"
        )
        with self._open() as connection:
            rows = connection.execute(query, [*values, limit]).fetchall()
        return Found([json.loads(document) for (document,) in rows])

    def bury(self, letter: DeadLetter) -> None:
        row = (
            letter.id,
            json.dumps(letter.attributes),
            letter.reason,
            letter.received_at.isoformat(),
            letter.data,
        )
        with self._open() as connection, connection:
            connection.execute("INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?)", row)

    def dead_letters(self) -> list[BuriedLetter]:
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, length(data), attributes, reason, received_at FROM dead_letters"
                " ORDER BY received_at, id"
            ).fetchall()
        return [
            BuriedLetter(
                id_, size, json.loads(attributes), reason, datetime.fromisoformat(received_at)
            )
            for id_, size, attributes, reason, received_at in rows
        ]

    def dead_letter_data(self, id_: str) -> bytes:
        with self._open() as connection:
            (data,) = connection.execute(
                "SELECT data FROM dead_letters WHERE id = ?", (id_,)
            ).fetchone()
        return data

    def remove_dead_letter(self, id_: str) -> None:
        with self._open() as connection, connection:
            connection.execute("DELETE FROM dead_letters WHERE id = ?", (id_,))

    def close(self) -> None:
        """Nothing stays open between calls."""

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as connection:
                self._make_tables(connection)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(str(error)) from error

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        # Lets readers go on while another process writes. It cannot be switched on while another
        # process is making the file; then the next call does it.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        if _version(connection) >= VERSION:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            version = _version(connection)
            if version >= VERSION:  # another process was faster
                return
            for statement in ((REBUILD if version else "") + SCHEMA).split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _conditions(
    wanted: AuditFilter | AccountFilter, after: Position | None
) -> tuple[str, str, str, list]:
    """Return the table and the index to read, the condition of a match, and the values in it."""
    table = "account_audit" if isinstance(wanted, AccountFilter) else "audit"
    filters = dict(zip(FILTERS[table], wanted.values, strict=True))
    given = {name: value for name, value in filters.items() if value is not None}
    index = f"{table}_by_{'_'.join(given) or 'time'}"
    conditions = [f"{FILTERS[table][name]} = ?" for name in given]
    values = list(given.values())
    if wanted.since:
        conditions.append("timestamp >= ?")
        values.append(wanted.since)
    # One condition for `until` and `after`: of two upper bounds an index would use only one.
    if start := wanted.start(after):
        conditions.append("(timestamp, id) < (?, ?)")
        values += start
    return table, index, " AND ".join(conditions) or "TRUE", values


def _canonical(document: AuditDocument) -> str:
    """Return what equal documents have in common, and no others: for Python, 1 equals true."""
    return json.dumps(document, sort_keys=True)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version
