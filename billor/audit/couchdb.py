"""The audit store on CouchDB 3. Only this module uses the `couchdb` client.

The client is old and needs care. Set a timeout: the default is none. Create a `Server` after a
fork: connections shared across one mix up responses. Always set `_id`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event, local
from time import monotonic
from typing import TypeVar

import couchdb
from couchdb.http import (
    Forbidden,
    HTTPError,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    ServerError,
    Session,
    Unauthorized,
)

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
)

Result = TypeVar("Result")

TIMEOUT_SECONDS = 4
# Timeout of a health check.
PING_SECONDS = 1
# How long one request may wait for the index. CouchDB continues indexing after that.
INDEX_SECONDS = 60
# How long to send no requests after CouchDB refused our password: five wrong ones within five
# minutes lock an account (https://docs.couchdb.org/en/stable/config/auth.html).
UNAUTHORIZED_SECONDS = 60
# Permanent errors of a request, by status.
NEVER_STORED = {400: "bad_request", 413: "too_large"}
# Permanent errors of one document, those of validation functions included.
REFUSALS = {"forbidden", "unauthorized", *NEVER_STORED.values()}
MAX_REASON = 500
ATTACHMENT = "message"
# One row per document and combination of filters, under the key
# [bit set of filters, their values, timestamp, id]: every search is one range of one view. The bit
# sets of documents of accounts begin at 8.
ACCOUNTS = 8
MAP_BY_FILTERS = """function (doc) {
  var isOfAccount = doc.userId !== undefined;
  var values = isOfAccount ? [doc.userId, doc.type] : [doc.loadId, doc.driverId, doc.type];
  for (var filters = 0; filters < 1 << values.length; filters++) {
    var key = [(isOfAccount ? 8 : 0) + filters];
    for (var i = 0; i < values.length; i++) if (filters & (1 << i)) key.push(values[i]);
    key.push(doc.timestamp, doc._id);
    emit(key, null);
  }
}"""
VIEWS = {"by_filters": {"map": MAP_BY_FILTERS}}
# Named by a hash of its content, so that versions with different views do not share a name.
DESIGN = f"audit-{hashlib.sha256(json.dumps(VIEWS).encode()).hexdigest()[:8]}"
# The design documents of all versions; the first had no hash.
OUR_DESIGNS = re.compile(r"_design/audit(-[0-9a-f]{8})?")
# How long two versions may run side by side.
DESIGNS_KEPT = timedelta(days=7)
# All design documents, of others' indexes, too, are between these ids.
DESIGNS, AFTER_DESIGNS = "_design/", "_design0"
AFTER_ALL_TEXTS: dict = {}  # CouchDB sorts objects after all strings


class CouchStore:
    """An audit store with one database for documents and one for dead letters."""

    def __init__(self, url: str, database: str):
        self._url = url
        self._name = database
        self._local = local()
        self._refused_until = 0.0
        self._refusal = ""
        self._is_to_index = Event()
        self._is_to_index.set()

    def prepare(self) -> None:
        with self._store_errors():
            self._create_missing()
            self._remove_old_designs()

    def ping(self) -> None:
        with self._store_errors(), suppress(ResourceNotFound):  # created on first use
            self._database(self._name, PING_SECONDS).info()["db_name"]

    def save(self, documents: Sequence[AuditDocument]) -> Saved:
        try:
            return self._run(lambda: self._save(documents))
        finally:  # a failed save may have stored some documents
            self._is_to_index.set()

    def index(self) -> None:
        if not self._is_to_index.is_set():
            return
        self._is_to_index.clear()
        try:
            self._run(lambda: list(self._by_filters(INDEX_SECONDS, limit=0)))
        except StoreUnavailable:
            self._is_to_index.set()
            raise

    def missing(self, ids: Sequence[str]) -> set[str]:
        rows = self._run(lambda: self._all_docs(keys=list(ids)))
        return {row.key for row in rows if row.error or row.value.get("deleted")}

    def get(self, ids: Sequence[str]) -> list[AuditDocument]:
        rows = self._run(lambda: self._all_docs(keys=list(ids), include_docs=True))
        return [_without_revision(row.doc) for row in rows if row.doc]

    def page(self, limit: int, after: str = "") -> list[AuditDocument]:
        def read() -> list[AuditDocument]:
            rows = []
            if after < DESIGNS:
                rows = self._all_docs(
                    startkey=after, endkey=DESIGNS, limit=limit + 1, include_docs=True
                )
            if len(rows) <= limit:
                rows += self._all_docs(
                    startkey=max(after, AFTER_DESIGNS), limit=limit + 1, include_docs=True
                )
            return [_without_revision(row.doc) for row in rows if row.id != after][:limit]

        return self._run(read)

    def remove(self, ids: Sequence[str]) -> None:
        def mark_deleted() -> None:
            rows = self._all_docs(keys=list(ids))
            deleted = [
                {"_id": row.id, "_rev": row.value["rev"], "_deleted": True}
                for row in rows
                if not row.error and not row.value.get("deleted")
            ]
            for result in deleted and _bulk_docs(self._database(self._name), deleted):
                # Another one has deleted it if it is in conflict.
                if result.get("error") not in (None, "conflict"):
                    raise StoreUnavailable(f"a document was not deleted: {result['error']}")

        try:
            self._run(mark_deleted)
        finally:
            self._is_to_index.set()

    def find(
        self, wanted: AuditFilter | AccountFilter, limit: int, after: Position | None = None
    ) -> Found:
        first = ACCOUNTS if isinstance(wanted, AccountFilter) else 0
        filters = sum(1 << i for i, value in enumerate(wanted.values) if value is not None)
        prefix = [first + filters, *(value for value in wanted.values if value is not None)]
        start = wanted.start(after)
        if start and wanted.since and start < (wanted.since,):
            return Found([])  # CouchDB refuses a range that ends before it starts

        def read(**options) -> list[AuditDocument]:
            rows = self._by_filters(
                TIMEOUT_SECONDS / 2,  # there may be two such requests
                startkey=[*prefix, *(start or (AFTER_ALL_TEXTS,))],
                endkey=[*prefix, wanted.since] if wanted.since else prefix,
                descending=True,
                # One more, as the document at `start` may match; it is left out below.
                limit=limit + bool(start),
                include_docs=True,
                **options,
            )
            return [
                _without_revision(row.doc)
                for row in rows
                if start is None or row.key[-2:] != list(start)
            ][:limit]

        def search() -> Found:
            try:
                return Found(read())
            except TimeoutError:
                return Found(read(update=False), is_complete=False)

        return self._run(search)

    def bury(self, letter: DeadLetter) -> None:
        document = {
            "_id": letter.id,
            "attributes": letter.attributes,
            "reason": letter.reason,
            "receivedAt": letter.received_at.isoformat(),
            # An attachment, as a document may not be larger than 8 MB.
            "_attachments": {
                ATTACHMENT: {
                    "content_type": "application/octet-stream",
                    "data": base64.b64encode(letter.data).decode(),
                }
            },
        }
        self._run(lambda: _add(self._dead_letters_database(), document))

    def dead_letters(self) -> list[BuriedLetter]:
        rows = self._run(
            lambda: list(self._dead_letters_database().view("_all_docs", include_docs=True))
        )
        letters = [
            BuriedLetter(
                row.id,
                _size(row.doc),
                row.doc["attributes"],
                row.doc["reason"],
                datetime.fromisoformat(row.doc["receivedAt"]),
            )
            for row in rows
            if not row.id.startswith("_design/")  # an index that somebody added
        ]
        return sorted(letters, key=lambda letter: (letter.received_at, letter.id))

    def dead_letter_data(self, id_: str) -> bytes:
        return self._run(lambda: _data(self._dead_letters_database(), id_))

    def remove_dead_letter(self, id_: str) -> None:
        self._run(lambda: _remove(self._dead_letters_database(), id_))

    def close(self) -> None:
        self._local = local()
        self._refused_until = 0.0

    @property
    def _dead_letters_name(self) -> str:
        return f"{self._name}-dead-letters"

    def _dead_letters_database(self) -> couchdb.Database:
        return self._database(self._dead_letters_name)

    def _run(self, operation: Callable[[], Result]) -> Result:
        """Run the operation; if a database is missing, create it and run the operation again."""
        with self._store_errors():
            try:
                return operation()
            except ResourceNotFound:
                self._create_missing()
                return operation()

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Turn any error of the client into `StoreUnavailable`.

        The client raises arbitrary exceptions when a server misbehaves. After the server refused
        our password, raise at once for `UNAUTHORIZED_SECONDS`.
        """
        if monotonic() < self._refused_until:
            raise StoreUnavailable(self._refusal)
        try:
            yield
        except StoreUnavailable:
            raise
        except Exception as error:
            # The beginning of a proxy's error page is enough.
            reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
            if isinstance(error, Unauthorized):
                self._refusal = reason = f"{reason}; asking again in {UNAUTHORIZED_SECONDS} s"
                self._refused_until = monotonic() + UNAUTHORIZED_SECONDS
            raise StoreUnavailable(reason) from error

    def _create_missing(self) -> None:
        """Create missing databases and the design document.

        Checks first, so that our user needs no right to create what exists.
        """
        for name in (self._name, self._dead_letters_name):
            try:
                self._database(name).info()
            except ResourceNotFound:
                # Another process may create it first.
                with _right_to_create(f"the database {name}"), suppress(PreconditionFailed):
                    self._connect(TIMEOUT_SECONDS).create(name)
        audit, design = self._database(self._name), f"_design/{DESIGN}"
        if design not in audit:
            made_at = datetime.now(UTC).isoformat()
            with _right_to_create(f"{design} in {self._name}"), suppress(ResourceConflict):
                audit.save(
                    {"_id": design, "language": "javascript", "views": VIEWS, "madeAt": made_at}
                )

    def _remove_old_designs(self) -> None:
        """Remove the design documents of versions that no longer run, and their indexes.

        Both ours and theirs must be older than `DESIGNS_KEPT`: after a rollback ours is old, and
        theirs may be in use.
        """
        audit, ours = self._database(self._name), f"_design/{DESIGN}"
        designs = audit.view(
            "_all_docs", startkey="_design/audit", endkey="_design/audit-g", include_docs=True
        )
        old = {row.id: row.doc for row in designs if _is_old(row.doc)}
        if ours in old and len(old) > 1:
            del old[ours]
            with suppress(HTTPError):  # no right to delete, or another process was faster
                for design in old.values():
                    audit.delete(design)
                audit.cleanup()

    def _save(self, documents: Sequence[AuditDocument]) -> Saved:
        database = self._database(self._name)
        results = _bulk_docs(database, documents)
        new, in_conflict, refused = [], [], []
        for document, result in zip(documents, results, strict=True):
            match result.get("error"):
                case None:
                    new.append(document)
                case "conflict":
                    in_conflict.append(document)
                case error if error in REFUSALS:
                    refused.append(Refusal(document, f"{error}: {result['reason']}"))
                case error:
                    raise StoreUnavailable(f"a document was not stored: {error}")
        refused += [
            Refusal(document, ID_TAKEN) for document in self._different(database, in_conflict)
        ]
        return Saved(new, refused)

    def _connect(self, timeout: float) -> couchdb.Server:
        # One per thread: after a large error page the client's pool holds a connection twice.
        servers = self._local.__dict__.setdefault("servers", {})
        if timeout not in servers:
            servers[timeout] = couchdb.Server(self._url, session=Session(timeout=timeout))
        return servers[timeout]

    def _database(self, name: str, timeout: float | None = None) -> couchdb.Database:
        # Not `server[name]`, which sends a request to check that it exists.
        return couchdb.Database(self._connect(timeout or TIMEOUT_SECONDS).resource(name), name)

    def _all_docs(self, **options) -> list[couchdb.client.Row]:
        return list(self._database(self._name).view("_all_docs", **options))

    def _by_filters(self, timeout: float, **options) -> couchdb.client.ViewResults:
        return self._database(self._name, timeout).view(f"{DESIGN}/by_filters", **options)

    def _different(
        self, database: couchdb.Database, documents: list[AuditDocument]
    ) -> list[AuditDocument]:
        """Return the documents whose id a different stored document has."""
        if not documents:
            return []
        rows = database.view(
            "_all_docs", keys=[document["_id"] for document in documents], include_docs=True
        )
        stored = {row.id: _without_revision(row.doc) for row in rows if row.doc}
        missing = [document for document in documents if document["_id"] not in stored]
        if missing:
            raise StoreUnavailable(f"{len(missing)} documents were refused")
        return [document for document in documents if stored[document["_id"]] != document]


def _bulk_docs(database: couchdb.Database, documents: Sequence[AuditDocument]) -> list[dict]:
    """Save documents; return CouchDB's result for each: `{ok, …}` or `{error, reason, …}`.

    The client's own `update` keeps only the reasons of errors.
    """
    try:
        _, _, results = database.resource.post_json("_bulk_docs", body={"docs": list(documents)})
    except ServerError as failure:
        status, error = failure.args[0]
        if status not in NEVER_STORED:
            raise
        # One bad document makes CouchDB refuse all of them: find it.
        if len(documents) > 1:
            return [_bulk_docs(database, [document])[0] for document in documents]
        return [{"error": NEVER_STORED[status], "reason": str(error)}]
    return results


def _add(database: couchdb.Database, document: dict) -> None:
    """Store a document unless its id is taken."""
    with suppress(ResourceConflict):
        database.save(document)


def _size(letter: dict) -> int:
    if "data" in letter:  # format of earlier versions
        return len(base64.b64decode(letter["data"]))
    return letter["_attachments"][ATTACHMENT]["length"]


def _data(database: couchdb.Database, id_: str) -> bytes:
    letter = database[id_]
    if "data" in letter:
        return base64.b64decode(letter["data"])
    _, _, content = database.resource.get([id_, ATTACHMENT])
    return content.read() if content else b""  # the client has no content for an empty body


def _remove(database: couchdb.Database, id_: str) -> None:
    document = database.get(id_)
    if document is not None:
        database.delete(document)


def _without_revision(document: dict) -> AuditDocument:
    return {name: value for name, value in document.items() if name != "_rev"}


def _is_old(design: dict) -> bool:
    if not OUR_DESIGNS.fullmatch(design["_id"]):
        return False
    made_at = design.get("madeAt")  # missing in earlier versions
    return not made_at or datetime.now(UTC) - datetime.fromisoformat(made_at) > DESIGNS_KEPT


@contextmanager
def _right_to_create(what: str) -> Iterator[None]:
    """Raise `StoreUnavailable`, with the remedy, if our user may not create `what`."""
    try:
        yield
    except (Unauthorized, Forbidden) as error:
        raise StoreUnavailable(
            f"COUCHDB_URL's user may not create {what}: run the worker once as a server admin"
        ) from error
