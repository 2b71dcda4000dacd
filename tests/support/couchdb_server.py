"""A CouchDB 3 in memory, as far as the audit store uses one, which fails on demand.

It cannot run JavaScript: it knows one view, the audit store's, and refuses any other map function.
Whatever it does not know it answers with 500 and notes in `surprises`, which must be empty at the
end of a test.
"""

import hashlib
import json
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

KNOWN_MAP = """function (doc) {
  var isOfAccount = doc.userId !== undefined;
  var values = isOfAccount ? [doc.userId, doc.type] : [doc.loadId, doc.driverId, doc.type];
  for (var filters = 0; filters < 1 << values.length; filters++) {
    var key = [(isOfAccount ? 8 : 0) + filters];
    for (var i = 0; i < values.length; i++) if (filters & (1 << i)) key.push(values[i]);
    key.push(doc.timestamp, doc._id);
    emit(key, null);
  }
}"""
MAX_HANG_SECONDS = 5
"""A hanging request is answered after all then, so that a client without a timeout fails its
test instead of stopping the suite."""


class Fault(Enum):
    """What can go wrong with a request."""

    UNAUTHORIZED = auto()
    SERVER_ERROR = auto()
    HTML_ERROR = auto()  # a page of a proxy, larger than what the client reads at once
    OPENING = auto()  # of a database that is just being made
    EMPTY_OBJECT = auto()  # JSON, but not what was asked for
    HANG = auto()  # until `mend`; then it is carried out and answered
    DROP = auto()  # the connection, without reading the request's body
    TRUNCATED = auto()  # carried out, and half of the answer sent


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"
    held: bool = False  # until `mend`


def answer(status: int, value: Any, **options) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode() + b"\n", **options)


class Refusal(Exception):
    """An answer that is an error, in CouchDB's words."""

    def __init__(self, status: int, error: str, reason: str):
        super().__init__(error)
        self.answer = answer(status, {"error": error, "reason": reason})


FAULTY_ANSWERS = {
    Fault.UNAUTHORIZED: Refusal(401, "unauthorized", "Name or password is incorrect.").answer,
    Fault.SERVER_ERROR: Refusal(500, "unknown_error", "badarg").answer,
    Fault.HTML_ERROR: Answer(500, b"<h1>Oops</h1>".ljust(20_000), "text/html"),
    Fault.OPENING: Refusal(500, "internal_server_error", "No DB shards could be opened.").answer,
    Fault.EMPTY_OBJECT: Answer(200, b"{}"),
}


class Database:
    """Documents by id, each with its `_rev`."""

    def __init__(self) -> None:
        self.documents: dict[str, dict] = {}
        self.indexed: dict[str, dict] = {}
        """The documents that the view shows."""
        self.newer: set[str] = set()
        """Documents that no list of a running request has: their `doc` is null."""

    def put(self, document: dict) -> dict:
        """Store a document that is new, or names the revision that it replaces."""
        id_ = document["_id"]
        if document.get("_rev") != self.documents.get(id_, {}).get("_rev"):
            raise Refusal(409, "conflict", "Document update conflict.")
        digest = hashlib.md5(json.dumps(document).encode(), usedforsecurity=False).hexdigest()
        self.documents[id_] = document | {"_rev": f"1-{digest}"}
        return {"ok": True, "id": id_, "rev": f"1-{digest}"}

    def by_filters(
        self, startkey: list, endkey: list, limit: int, descending: bool, include_docs: bool
    ) -> list[dict]:
        """Return the rows of the audit store's view between two keys, with documents or null."""
        assert descending, "the audit store reads the newest first"
        assert include_docs
        first, last = collated(endkey), collated(startkey)
        if first > last:
            reason = "No rows can match your key range, reverse your start_key and end_key"
            raise Refusal(400, "query_parse_error", reason)
        listed = {id_: doc for id_, doc in self.documents.items() if id_ not in self.newer}
        rows = [
            {"id": id_, "key": key, "value": None, "doc": listed.get(id_)}
            for id_, document in self.indexed.items()
            if not id_.startswith("_design/")
            for key in emitted(document)
            if first <= collated(key) <= last
        ]
        return sorted(rows, key=lambda row: collated(row["key"]), reverse=True)[:limit]


def emitted(document: dict) -> Iterator[list]:
    """The keys that `KNOWN_MAP` emits for a document."""
    is_of_account = "userId" in document
    names = ("userId", "type") if is_of_account else ("loadId", "driverId", "type")
    values = [document.get(name) for name in names]
    for filters in range(1 << len(values)):
        chosen = [value for i, value in enumerate(values) if filters & (1 << i)]
        yield [8 * is_of_account + filters, *chosen, document.get("timestamp"), document["_id"]]


def collated(value: Any) -> tuple:
    """What sorts as CouchDB sorts keys: null, numbers, texts, lists, objects."""
    match value:
        case None:
            return (0,)
        case int():
            return (1, value)
        case str():
            return (2, value)
        case list():
            return (3, [collated(item) for item in value])
    return (4,)


class FakeCouchDB:
    """Started by `with`; `url` has the name and password of its user."""

    user = "billor"
    password = "pass:word/ü@"  # every character that has to be escaped in a URL

    def __init__(self) -> None:
        self.surprises: list[str] = []
        self.databases: dict[str, Database] = {}
        self.requests: list[str] = []
        """The method and address of each."""
        self.max_document_size = 8_000_000
        self.user_is_admin = True
        self.refusal = 401
        """How it refuses to make system databases for others."""
        self._lock = Lock()
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._fault: Fault | None = None
        self._fault_times: float = 0
        self._forbidden: dict[str, str] = {}
        self._is_batch_held = False
        self._index_is_held = False
        self._hanging, self._released = Event(), Event()
        self._patch = pytest.MonkeyPatch()
        self._clients: list[HTTPConnection] = []

    def __enter__(self) -> "FakeCouchDB":
        self._thread.start()
        self._patch.setattr("couchdb.http.HTTPConnection", self._connect)
        return self

    def _connect(self, *args, **options) -> HTTPConnection:
        """Connect a client in this process.

        It leaves connections to the garbage collector, which would warn of them in a later test.
        """
        self._clients.append(HTTPConnection(*args, **options))
        return self._clients[-1]

    def __exit__(self, *_) -> None:
        self._patch.undo()
        for client in self._clients:
            client.close()
        self.mend()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        address = f"127.0.0.1:{self._server.server_port}"
        return f"http://{self.user}:{quote(self.password, safe='')}@{address}"

    def fail(self, fault: Fault, *, times: float = float("inf")) -> None:
        """Do so for `times` requests."""
        with self._lock:
            self._fault, self._fault_times = fault, times

    def forbid(self, document_id: str, reason: str = "Not on Sundays.") -> None:
        """Have a validation function refuse this document, until `allow`."""
        self._forbidden[document_id] = reason

    def allow(self, document_id: str) -> None:
        """Have the validation function take this document after all."""
        self._forbidden.pop(document_id, None)

    def hold_batch(self) -> None:
        """Store half of the next batch of two or more, and answer only after `mend`."""
        self._is_batch_held = True

    def hold_index(self) -> None:
        """Have indexing take until `mend`: whoever wants the index to be current has to wait."""
        self._index_is_held = True

    def wait_until_hanging(self) -> None:
        assert self._hanging.wait(timeout=30), "no request came to hang"

    def mend(self) -> None:
        """End all faults, and go on with the requests that hang."""
        with self._lock:
            self._fault_times = 0
            self._is_batch_held = False
            self._index_is_held = False
            self._released.set()
            self._hanging, self._released = Event(), Event()

    # What follows runs in the server's threads.

    def take_fault(self) -> Fault | None:
        with self._lock:
            if not self._fault_times:
                return None
            self._fault_times -= 1
            return self._fault

    def hang(self) -> None:
        with self._lock:
            hanging, released = self._hanging, self._released
        hanging.set()
        released.wait(MAX_HANG_SECONDS)

    def answer(self, method: str, target: str, authorization: str | None, body: bytes) -> Answer:
        self.requests.append(f"{method} {target}")
        if self._index_is_held and "/_view/" in target and "update=false" not in target:
            self.hang()
        try:
            token = b64encode(f"{self.user}:{self.password}".encode()).decode()
            if authorization != f"Basic {token}":
                raise Refusal(401, "unauthorized", "Name or password is incorrect.")
            with self._lock:
                return self._carry_out(method, target, json.loads(body or b"{}"))
        except Refusal as refusal:
            return refusal.answer
        except Exception:  # the client has to see it, and so has the test
            self.surprises.append(f"{method} {target}\n{traceback.format_exc()}")
            return answer(500, {"error": "unknown_to_this_fake", "reason": self.surprises[-1]})

    def _carry_out(self, method: str, target: str, content: dict) -> Answer:
        url = urlsplit(target)
        name, *path = (unquote(segment) for segment in url.path[1:].split("/"))
        options = {key: json.loads(value) for key, value in parse_qsl(url.query)}
        if [method, *path] == ["PUT"]:
            if name in self.databases:
                raise Refusal(412, "file_exists", "The file already exists.")
            if name.startswith("_") and not self.user_is_admin:
                raise Refusal(self.refusal, "unauthorized", "You are not a server admin.")
            self.databases[name] = Database()
            return answer(201, {"ok": True})
        if name not in self.databases:
            raise Refusal(404, "not_found", "Database does not exist.")
        if name.startswith("_") and not self.user_is_admin:
            raise Refusal(403, "forbidden", "You are not allowed to access this db.")
        database = self.databases[name]
        match [method, *path]:
            case ["GET" | "HEAD"]:
                return answer(200, {"db_name": name, "doc_count": len(database.documents)})
            case ["POST", "_bulk_docs"]:
                return self._store_batch(database, content["docs"])
            case ["GET", "_design", design, "_view", "by_filters"]:
                views = self._document(database, f"_design/{design}")["views"]
                assert views["by_filters"]["map"] == KNOWN_MAP
                if options.pop("update", True):
                    database.indexed = dict(database.documents)
                rows = database.by_filters(**options)
                return answer(200, {"total_rows": len(rows), "offset": 0, "rows": rows})
            case ["GET" | "HEAD", *names]:
                return answer(200, self._document(database, "/".join(names)))
            case ["PUT", *names]:
                return answer(201, self._put(database, content | {"_id": "/".join(names)}))
        raise NotImplementedError

    def _document(self, database: Database, id_: str) -> dict:
        if id_ not in database.documents:
            raise Refusal(404, "not_found", "missing")
        return database.documents[id_]

    def _put(self, database: Database, document: dict) -> dict:
        if reason := self._forbidden.get(document["_id"]):
            raise Refusal(403, "forbidden", reason)
        return database.put(document)

    def _store_batch(self, database: Database, documents: list[dict]) -> Answer:
        for document in documents:
            if len(json.dumps(document)) > self.max_document_size:
                raise Refusal(413, "document_too_large", document["_id"])
        is_held = self._is_batch_held and len(documents) > 1
        if is_held:
            documents, self._is_batch_held = documents[: len(documents) // 2], False
        results = []
        for document in documents:
            try:
                results.append(self._put(database, document))
            except Refusal as refusal:
                results.append({"id": document["_id"], **json.loads(refusal.answer.body)})
        return answer(201, results, held=is_held)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, couch: FakeCouchDB):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.couch = couch


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(ConnectionError):  # clients may go away at any time
            super().handle()

    def _answer(self) -> None:
        couch = self.server.couch
        fault = couch.take_fault()
        if fault is Fault.DROP:
            self.close_connection = True
            return
        if fault is Fault.HANG:
            couch.hang()
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client has gone
            self.close_connection = True
            return
        found = FAULTY_ANSWERS.get(fault) or couch.answer(
            self.command, self.path, self.headers.get("Authorization"), body
        )
        if found.held:
            couch.hang()
        self._send(found, truncated=fault is Fault.TRUNCATED)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def _send(self, found: Answer, *, truncated: bool) -> None:
        self.send_response(found.status)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(found.body)))
        body = found.body
        if truncated:
            body, self.close_connection = body[: len(body) // 2], True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Tests print nothing."""
