"""The audit store on CouchDB 3. Only this module uses the `couchdb` client.

The client is old: it has no timeout by default, mixes up responses on a connection that is shared
after a fork, and raises arbitrary exceptions where a server misbehaves.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any

import couchdb
from couchdb import http

from billor.audit.store import AuditDocument, AuditFilter, Found, Position, StoreUnavailable

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 4
PING_SECONDS = 1
# How long a search waits for the index. After a timeout, searches do not wait at all for a while.
INDEX_SECONDS = 2
STALE_SECONDS = 5
# How long to wait for a database that CouchDB is just making, and how it says so.
OPENING_SECONDS = 2
OPENING = "No DB shards could be opened"
# Without them, CouchDB logs errors every few seconds.
SYSTEM_DATABASES: tuple[str, ...] = ("_users", "_replicator")
MAX_REASON = 500
# One row per document and combination of filters, with the key
# [bit set of filters, their values, timestamp, id], so that every search is one range of one view.
# Account documents use bit sets from 8 on.
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
# CouchDB indexes it in the background (ken). A changed view needs a new name, because two versions
# of Billor may run side by side.
DESIGN = "_design/audit-1"
AFTER_ALL_TEXTS: dict = {}  # CouchDB sorts objects after all strings


class CouchStore:
    def __init__(self, url: str, database: str):
        self._url = url
        self._name = database
        self._stale_until = 0.0
        self._system = SYSTEM_DATABASES

    def prepare(self) -> None:
        with _errors_mapped():
            self._make(self._name)
            audit = self._database(self._name)
            if audit.get(DESIGN) is None:
                views = {"by_filters": {"map": MAP_BY_FILTERS}}
                with suppress(http.ResourceConflict):
                    audit.save({"_id": DESIGN, "language": "javascript", "views": views})
            for name in self._system:
                try:
                    with suppress(http.Forbidden):  # it exists
                        self._make(name)
                except (http.Unauthorized, http.ServerError):
                    logger.warning("CouchDB lacks %s, and logs errors until it is made", name)
            self._system = ()

    def _make(self, name: str) -> None:
        try:
            self._database(name).info()  # so that our user may lack the right to create one
        except http.ResourceNotFound:
            with suppress(http.PreconditionFailed):  # another process was faster
                self._database(name).resource.put_json()

    def ping(self) -> None:
        with _errors_mapped(), suppress(http.ResourceNotFound):  # the worker will create it
            self._database(self._name, PING_SECONDS).info()

    def save(self, documents: Sequence[AuditDocument]) -> None:
        if not documents:
            return
        with _errors_mapped():
            # A copy, as the client adds revisions.
            results = self._database(self._name).update([dict(each) for each in documents])
        if len(results) != len(documents):
            raise StoreUnavailable("the response does not cover all documents")
        for is_stored, _, error in results:
            if not is_stored and not isinstance(error, http.ResourceConflict):
                raise StoreUnavailable(f"a document was not stored: {error}")

    def find(self, wanted: AuditFilter, limit: int, after: Position | None = None) -> Found:
        start = wanted.start(after)
        if start and wanted.since and start < (wanted.since,):
            return Found([])  # CouchDB refuses a range that ends before it starts
        with _errors_mapped(), suppress(http.ResourceNotFound):
            if monotonic() >= self._stale_until:
                try:
                    return Found(self._read(wanted, limit, start, INDEX_SECONDS))
                except (TimeoutError, http.ServerError):  # CouchDB itself gives up after a while
                    self._stale_until = monotonic() + STALE_SECONDS
            stale = self._read(wanted, limit, start, TIMEOUT_SECONDS, update=False)
            return Found(stale, is_complete=False)
        return Found([])  # the worker has not started yet

    def _read(
        self,
        wanted: AuditFilter,
        limit: int,
        start: Position | None,
        timeout: float,
        **options: bool,
    ) -> list[AuditDocument]:
        database, prefix = self._database(self._name, timeout), _prefix(wanted)
        rows = database.view(
            f"{DESIGN}/_view/by_filters",
            startkey=[*prefix, *(start or (AFTER_ALL_TEXTS,))],
            endkey=[*prefix, wanted.since] if wanted.since else prefix,
            descending=True,
            limit=limit + 1,  # the first row may be the document at `start`
            include_docs=True,
            **options,
        )
        later = [row for row in rows if start is None or row.key[-2:] != list(start)]
        # A row lacks a document that was stored since the request began.
        found = [row.doc or database.get(row.id) for row in later[:limit]]
        return [
            {name: value for name, value in document.items() if name != "_rev"}
            for document in found
            if document
        ]

    def _database(self, name: str, timeout: float = TIMEOUT_SECONDS) -> couchdb.Database:
        # Not `server[name]`, which sends a request to check that it exists.
        server = couchdb.Server(self._url, session=_Session(timeout=timeout))
        return couchdb.Database(server.resource(name), name)


class _Session(http.Session):
    """Repeats a request while CouchDB opens a new database."""

    def request(self, *args: Any, **options: Any) -> Any:
        deadline = monotonic() + OPENING_SECONDS
        while True:
            try:
                return super().request(*args, **options)
            except http.ServerError as error:
                if OPENING not in str(error) or monotonic() > deadline:
                    raise
            sleep(0.1)


def _prefix(wanted: AuditFilter) -> list:
    """Return the prefix of all matching keys."""
    if wanted.of_accounts:
        first, values = ACCOUNTS, [wanted.user_id, wanted.type]
    else:
        first, values = 0, [wanted.load_id, wanted.driver_id, wanted.type]
    filters = sum(1 << i for i, value in enumerate(values) if value is not None)
    return [first + filters, *(value for value in values if value is not None)]


@contextmanager
def _errors_mapped() -> Iterator[None]:
    """Turn any error of the client into `StoreUnavailable`."""
    try:
        yield
    except Exception as error:
        # Not all of a proxy's error page.
        raise StoreUnavailable(f"{type(error).__name__}: {error}"[:MAX_REASON]) from error
