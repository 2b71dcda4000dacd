"""A CouchDB 3 in memory, as far as the audit store uses one, which fails on demand.

It cannot run JavaScript: of views it knows one, the audit store's, and refuses to answer if the
map function is not the one whose Python twin is here. Who is allowed what, and in which words it
is refused, is CouchDB 3.5's. Whatever it does not know it answers with
500 and notes in `surprises`, which must be empty at the end of a test.
"""

import hashlib
import json
import re
import socket
import sys
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
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
LONGEST_HANG_SECONDS = 5
"""A hanging request is answered after all then, so that a client without a timeout fails its
test instead of stopping the suite."""
WRONG_PASSWORDS_TO_LOCK = 5


class Fault(Enum):
    """What can go wrong with a request. Those marked so happen after it was carried out."""

    UNAUTHORIZED = auto()
    SERVER_ERROR = auto()
    HTML_ERROR = auto()  # a page of a proxy, larger than what the client reads at once
    GARBAGE = auto()
    EMPTY_OBJECT = auto()  # JSON, but not what was asked for
    HANG = auto()  # until `mend`; then it is carried out and answered
    DROP = auto()  # the connection, without reading the request's body
    DROP_AFTER = auto()  # the connection, when the request was carried out
    TRUNCATED = auto()  # carried out, and half of the answer sent


@dataclass
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False  # as CouchDB sends the rows of views
    held: bool = False  # until `mend`

    @classmethod
    def of(cls, status: int, value: Any, **options) -> "Answer":
        return cls(status, json.dumps(value, ensure_ascii=False).encode() + b"\n", **options)


class Refusal(Exception):
    """An answer that is an error, in CouchDB's words."""

    def __init__(self, status: int, error: str, reason: str):
        super().__init__(error)
        self.answer = Answer.of(status, {"error": error, "reason": reason})


CONFLICT = ("conflict", "Document update conflict.")
DISK_FULL = Refusal(500, "unknown_error", "enospc")
LOCKED = "Account is temporarily locked due to multiple authentication failures"
FAULTY_ANSWERS = {
    Fault.UNAUTHORIZED: Refusal(401, "unauthorized", "Name or password is incorrect.").answer,
    Fault.SERVER_ERROR: Refusal(500, "unknown_error", "badarg").answer,
    Fault.HTML_ERROR: Answer(500, b"<h1>Oops</h1>".ljust(20_000), "text/html"),
    Fault.GARBAGE: Answer(200, b'{"rows": [\xff'),
    Fault.EMPTY_OBJECT: Answer(200, b"{}"),
}


class Database:
    """Documents by id, each with its `_rev`."""

    def __init__(self):
        self.documents: dict[str, dict] = {}
        self.deleted: set[str] = set()
        self.attachments: dict[tuple[str, str], bytes] = {}
        self.indexes: dict[str, dict[str, dict]] = {}
        """The documents that are indexed, for each design's views. Designs with the same views
        share one, as in CouchDB."""

    def put(self, document: dict) -> dict:
        """Store a document that is new, or names the revision it replaces or deletes."""
        stored = self.documents.get(document["_id"], {})
        if document.get("_rev") != stored.get("_rev"):
            raise Refusal(409, *CONFLICT)
        if document.get("_deleted"):
            return self.delete(document["_id"], document["_rev"])
        generation = int(stored.get("_rev", "0-").split("-")[0]) + 1
        digest = hashlib.md5(json.dumps(document).encode(), usedforsecurity=False).hexdigest()
        for name, attached in document.get("_attachments", {}).items():
            content = b64decode(attached["data"], validate=True)
            self.attachments[document["_id"], name] = content
            stub = {"stub": True, "length": len(content), "content_type": attached["content_type"]}
            document["_attachments"][name] = stub
        self.documents[document["_id"]] = document | {"_rev": f"{generation}-{digest}"}
        return {"ok": True, "id": document["_id"], "rev": f"{generation}-{digest}"}

    def delete(self, name: str, revision: str) -> dict:
        if self.documents[name]["_rev"] != revision:
            raise Refusal(409, *CONFLICT)
        del self.documents[name]
        self.deleted.add(name)
        return {"ok": True, "id": name, "rev": revision}

    def all_docs(self, keys: list | None = None) -> list[dict]:
        """All documents, or those of the keys alone: a soak run has many more."""
        names = sorted(self.documents) if keys is None else self.documents.keys() & set(keys)
        return [
            {"id": name, "key": name, "value": {"rev": self.documents[name]["_rev"]}}
            for name in names
        ]

    def index(self, design: dict) -> None:
        self.indexes[json.dumps(design["views"])] = dict(self.documents)

    def clean_views_up(self) -> None:
        """Forget the indexes that no design needs."""
        needed = {json.dumps(document.get("views")) for document in self.documents.values()}
        self.indexes = {views: kept for views, kept in self.indexes.items() if views in needed}

    def by_filters(self, design: dict) -> list[dict]:
        """The indexed rows of the audit store's view, as CouchDB sorts them."""
        rows = [
            {"id": name, "key": key, "value": None}
            for name, document in self.indexes.get(json.dumps(design["views"]), {}).items()
            if not name.startswith("_design/")
            for key in emitted(document)
        ]
        return sorted(rows, key=lambda row: (collated(row["key"]), row["id"]))

    def rows(
        self,
        rows: list[dict],
        order: Callable[[Any], Any],
        *,
        keys: list | None = None,
        startkey: Any = ...,
        endkey: Any = ...,
        descending: bool = False,
        limit: int | None = None,
        include_docs: bool = False,
    ) -> Answer:
        """Those of the rows that a query's options ask for."""
        total = len(rows)
        if keys is not None:
            found = {
                name: {"id": name, "key": name, "value": {"rev": "2-…", "deleted": True}}
                for name in self.deleted
            } | {row["key"]: row for row in rows}
            rows = [dict(found.get(key, {"key": key, "error": "not_found"})) for key in keys]
        first, last = (endkey, startkey) if descending else (startkey, endkey)
        if ... not in (first, last) and order(first) > order(last):
            reason = "No rows can match your key range, reverse your start_key and end_key"
            raise Refusal(400, "query_parse_error", reason)
        if first is not ...:
            rows = [row for row in rows if order(row["key"]) >= order(first)]
        if last is not ...:
            rows = [row for row in rows if order(row["key"]) <= order(last)]
        rows = (rows[::-1] if descending else rows)[:limit]
        if include_docs:
            rows = [
                row if "error" in row else row | {"doc": self.documents.get(row["id"])}
                for row in rows
            ]
        return Answer.of(200, {"total_rows": total, "offset": 0, "rows": rows}, chunked=True)


def has_huge_integer(value: Any) -> bool:
    """Whether one beyond a double's range is in it, with which CouchDB 3.5 cannot calculate."""
    if isinstance(value, dict | list):
        return any(map(has_huge_integer, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) > sys.float_info.max


def emitted(document: dict) -> Iterator[list]:
    """The keys that `KNOWN_MAP` emits for a document."""
    is_of_account = "userId" in document
    names = ("userId", "type") if is_of_account else ("loadId", "driverId", "type")
    values = [document.get(name) for name in names]
    for filters in range(1 << len(values)):
        chosen = [value for i, value in enumerate(values) if filters & (1 << i)]
        yield [8 * is_of_account + filters, *chosen, document.get("timestamp"), document["_id"]]


def collated(value: Any) -> tuple:
    """What sorts as CouchDB sorts keys of views."""
    for rank, constant in enumerate((None, False, True)):
        if value is constant:
            return (rank,)
    match value:
        case int() | float():
            return (3, value)
        case str():
            return (4, *_collated_text(value))
        case list():
            return (5, [collated(item) for item in value])
    return (6, [(collated(name), collated(item)) for name, item in value.items()])


@lru_cache(10_000)
def _collated_text(text: str) -> tuple:
    # Near enough to Unicode's collation: marks, digits, letters; and those as in aAbB.
    return [(c.isalpha() + c.isalnum(), c) for c in text.casefold()], text.swapcase()


class FakeCouchDB:
    """Started by `with`; `url` carries the server admin's name and password, `member_url` those of
    somebody who is a member of every database, and no more."""

    user = "billor"
    member = "billor-member"
    password = "pass:word/ü@"  # every character that has to be escaped in a URL

    def __init__(self):
        self.surprises: list[str] = []
        self.databases: dict[str, Database] = {}
        self.batches: list[list[str]] = []
        """The ids of the documents of each `_bulk_docs` that came."""
        self.view_sizes: list[int] = []
        """How many rows each request for a view was answered with."""
        self.requests: list[str] = []
        """The method and address of each that was answered as it should be."""
        self.wrong_passwords = 0
        """How many came; five lock all accounts."""
        self._lock = Lock()
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._fault: Fault | None = None
        self._fault_after = 0
        self._fault_times: float = 0
        self.max_document_size = 8_000_000
        self._refused: set[str] = set()
        self._forbidden: dict[str, str] = {}
        self._throwing: set[str] = set()
        self._disk_is_full = False
        self._meanwhile: tuple[str, str, Callable[[], object]] | None = None
        self._held_share: float | None = None
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
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return self.url_with(self.password)

    @property
    def member_url(self) -> str:
        return self.url_with(self.password, self.member)

    def url_with(self, password: str, user: str = user) -> str:
        return f"http://{user}:{quote(password, safe='')}@127.0.0.1:{self._server.server_port}"

    def fail(self, fault: Fault, *, after: int = 0, times: float = float("inf")) -> None:
        """Do so for `times` requests, when `after` others were answered as they should be."""
        with self._lock:
            self._fault, self._fault_after, self._fault_times = fault, after, times

    def refuse(self, document_id: str) -> None:
        """Answer that a document is in conflict, whether one is there or not."""
        with self._lock:
            self._refused.add(document_id)

    def forbid(self, document_id: str, reason: str = "Not on Sundays.") -> None:
        """Have a validation function refuse this document, until `allow`."""
        with self._lock:
            self._forbidden[document_id] = reason

    def throw_on(self, document_id: str) -> None:
        """Have a validation function fail on this document, and so all that come with it, until
        `allow`."""
        with self._lock:
            self._throwing.add(document_id)

    def allow(self, document_id: str) -> None:
        """Have the validation function take this document after all."""
        with self._lock:
            self._forbidden.pop(document_id, None)
            self._throwing.discard(document_id)

    def fill_disk(self) -> None:
        """Answer everything but what would have to be written, until `mend`."""
        with self._lock:
            self._disk_is_full = True

    def before_next(self, method: str, path_end: str, action: Callable[[], object]) -> None:
        """Before such a request is carried out let something else happen, once."""
        with self._lock:
            self._meanwhile = (method, path_end, action)

    def hold_batch(self, stored: float = 1) -> None:
        """Store this share of the next batch, of two or more documents if it is to be divided,
        and answer only after `mend`: CouchDB stores a batch one by one."""
        with self._lock:
            self._held_share = stored

    def hold_index(self) -> None:
        """Have indexing take until `mend`: what was not indexed before is not, and whoever wants it
        to be has to wait."""
        with self._lock:
            self._index_is_held = True

    def wait_until_hanging(self) -> None:
        assert self._hanging.wait(timeout=20), "no request came to hang"

    def mend(self) -> None:
        """End all faults, go on with the requests that hang, and lock nobody out."""
        with self._lock:
            self._fault_times = 0
            self._disk_is_full = False
            self._refused.clear()
            self._held_share = None
            self._index_is_held = False
            self.wrong_passwords = 0
            self._released.set()
            self._hanging, self._released = Event(), Event()

    # What follows runs in the server's threads.

    def take_fault(self) -> Fault | None:
        with self._lock:
            if not self._fault_times:
                return None
            if self._fault_after:
                self._fault_after -= 1
                return None
            self._fault_times -= 1
            return self._fault

    def hang(self) -> None:
        with self._lock:
            hanging, released = self._hanging, self._released
        hanging.set()
        released.wait(LONGEST_HANG_SECONDS)

    def answer(self, method: str, target: str, authorization: str | None, body: bytes) -> Answer:
        self.requests.append(f"{method} {target}")
        self._let_others_go_first(method, target)
        if self._index_is_held and "/_view/" in target and "update=false" not in target:
            self.hang()
        try:
            with self._lock:
                self._check_right(self._user(authorization), method, target)
                return self._carry_out(method, target, body)
        except Refusal as refusal:
            return refusal.answer
        except Exception:  # the client has to see it, and so has the test
            self.surprises.append(f"{method} {target}\n{traceback.format_exc()}")
            return Answer.of(500, {"error": "unknown_to_this_fake", "reason": self.surprises[-1]})

    def _let_others_go_first(self, method: str, target: str) -> None:
        with self._lock:
            if self._meanwhile is None:
                return
            expected, path_end, action = self._meanwhile
            if method != expected or not urlsplit(target).path.endswith(path_end):
                return
            self._meanwhile = None
        action()

    def _user(self, authorization: str | None) -> str:
        if authorization is None:
            raise Refusal(401, "unauthorized", "You are not authorized to access this db.")
        if self.wrong_passwords >= WRONG_PASSWORDS_TO_LOCK:
            raise Refusal(403, "forbidden", LOCKED)
        for user in (self.user, self.member):
            token = b64encode(f"{user}:{self.password}".encode()).decode()
            if authorization == f"Basic {token}":
                return user
        self.wrong_passwords += 1
        raise Refusal(401, "unauthorized", "Name or password is incorrect.")

    def _check_right(self, user: str, method: str, target: str) -> None:
        if user == self.user:
            return
        match [method, *urlsplit(target).path[1:].split("/")]:
            case ["PUT" | "DELETE", _]:
                raise Refusal(401, "unauthorized", "You are not a server admin.")
            case ["PUT" | "DELETE", _, "_design", _]:
                raise Refusal(403, "forbidden", "You are not a db or server admin.")
            case [_, _, "_view_cleanup"]:
                raise Refusal(401, "unauthorized", "You are not a server or db admin.")

    def _carry_out(self, method: str, target: str, body: bytes) -> Answer:
        url = urlsplit(target)
        name, *path = (unquote(segment) for segment in url.path[1:].split("/"))
        options = {
            option: value if option == "rev" else json.loads(value)
            for option, value in parse_qsl(url.query)
        }
        try:
            content = json.loads(body) if body else {}
        except ValueError as error:
            raise Refusal(400, "bad_request", "invalid UTF-8 JSON") from error
        if not path:
            return self._database_itself(method, name)
        database = self._existing(name)
        match [method, *path]:
            case ["POST", "_bulk_docs"]:
                return self._bulk_answer(database, content["docs"])
            case ["GET" | "POST", "_all_docs"]:
                rows = database.all_docs(content.get("keys"))
                return database.rows(rows, str, **options, **content)
            case ["GET", "_design", name, "_view", view]:
                design = self._document(database, f"_design/{name}")
                _check_view(design, view)
                if options.pop("update", True):
                    database.index(design)
                rows = database.by_filters(design) if options["limit"] else []
                answer = database.rows(rows, collated, **options)
                self.view_sizes.append(len(json.loads(answer.body)["rows"]))
                return answer
            case ["POST", "_view_cleanup"]:
                database.clean_views_up()
                return Answer.of(202, {"ok": True})
            case ["GET", name, attachment] if (name, attachment) in database.attachments:
                return Answer(
                    200, database.attachments[name, attachment], "application/octet-stream"
                )
            case ["DELETE", *names]:
                name = "/".join(names)
                self._document(database, name)
                return Answer.of(200, database.delete(name, options["rev"]))
            case ["GET" | "HEAD", *names]:
                document = self._document(database, "/".join(names))
                return Answer.of(200, document, headers={"ETag": f'"{document["_rev"]}"'})
            case ["PUT", *names]:
                return Answer.of(201, self._put(database, content | {"_id": "/".join(names)}))
        raise NotImplementedError

    def _database_itself(self, method: str, name: str) -> Answer:
        if method == "PUT":
            if not re.fullmatch(r"[a-z][a-z0-9_$()+/-]*|_users", name):
                reason = f"Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and …"
                raise Refusal(400, "illegal_database_name", reason)
            if name in self.databases:
                reason = "The database could not be created, the file already exists."
                raise Refusal(412, "file_exists", reason)
            self.databases[name] = Database()
            return Answer.of(201, {"ok": True})
        database = self._existing(name)
        if method == "DELETE":
            del self.databases[name]
            return Answer.of(200, {"ok": True})
        assert method in ("GET", "HEAD"), method
        return Answer.of(200, {"db_name": name, "doc_count": len(database.documents)})

    def _existing(self, name: str) -> Database:
        if name not in self.databases:
            raise Refusal(404, "not_found", "Database does not exist.")
        return self.databases[name]

    def _document(self, database: Database, name: str) -> dict:
        if name not in database.documents:
            raise Refusal(404, "not_found", "missing")
        return database.documents[name]

    def _put(self, database: Database, document: dict) -> dict:
        if self._disk_is_full:
            raise DISK_FULL
        if document["_id"] in self._refused:
            raise Refusal(409, *CONFLICT)
        return database.put(document)

    def _bulk_answer(self, database: Database, documents: list[dict]) -> Answer:
        self.batches.append([document["_id"] for document in documents])
        for document in documents:
            if len(json.dumps(document)) > self.max_document_size:
                raise Refusal(413, "document_too_large", document["_id"])
            if has_huge_integer(document):
                raise Refusal(500, "unknown_error", "badarith")
            if document["_id"] in self._throwing:
                raise Refusal(500, "TypeError", "undefined has no properties")
        share = self._held_share
        if share is None or (share < 1 and len(documents) < 2):
            return Answer.of(201, list(self._bulk(database, documents)))
        self._held_share = None
        stored = documents[: round(len(documents) * share)]
        return Answer.of(201, list(self._bulk(database, stored)), held=True)

    def _bulk(self, database: Database, documents: list[dict]) -> Iterable[dict]:
        for document in documents:
            if document["_id"] in self._forbidden:
                reason = self._forbidden[document["_id"]]
                yield {"id": document["_id"], "error": "forbidden", "reason": reason}
                continue
            try:
                yield self._put(database, document)
            except Refusal as refusal:
                if refusal is DISK_FULL:
                    raise
                error, reason = CONFLICT
                yield {"id": document["_id"], "error": error, "reason": reason}


def _check_view(design: dict, view: str) -> None:
    if design["views"][view] != {"map": KNOWN_MAP}:
        raise NotImplementedError("a map function whose Python twin is not here")


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, couch: FakeCouchDB):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.couch = couch
        self._open: set[socket.socket] = set()
        self._open_lock = Lock()

    def get_request(self):
        request, address = super().get_request()
        with self._open_lock:
            self._open.add(request)
        return request, address

    def shutdown_request(self, request) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End those that clients keep open, and with each its thread."""
        with self._open_lock:
            for request in self._open:
                with suppress(OSError):  # the client was first
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address) -> None:
        self.couch.surprises.append(traceback.format_exc())


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
        answer = FAULTY_ANSWERS.get(fault) or couch.answer(
            self.command, self.path, self.headers.get("Authorization"), body
        )
        if answer.held:
            couch.hang()
        if fault is Fault.DROP_AFTER:
            self.close_connection = True
            return
        self._send(answer, truncated=fault is Fault.TRUNCATED)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _send(self, answer: Answer, *, truncated: bool) -> None:
        body = answer.body
        etag = answer.headers.get("ETag")
        unchanged = etag is not None and etag == self.headers.get("If-None-Match")
        self.send_response(304 if unchanged else answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(0 if unchanged else len(body)))
        if truncated:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD" and not unchanged:
            self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Tests print nothing."""
