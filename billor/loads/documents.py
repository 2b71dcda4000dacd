"""Documents of loads: photos and PDFs, with their bytes in an object store.

Bytes come first, and the row after them: what has no row is swept when it is a day old. So the
bytes of a deleted document stay for a while, and no failed commit loses any.
"""

import hashlib
import logging
import re
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from math import prod
from threading import Event
from typing import IO, Any

import imagesize
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import joinedload
from uuid_utils import uuid7

from billor.api.blocking import in_thread
from billor.config import Config
from billor.database import Check, get_or_not_found, lock, transaction, unchecked
from billor.database.keyset import Page, Position, paginate
from billor.errors import BillorError, Conflict, Unavailable
from billor.events.event import EventType
from billor.loads.schemas import DocumentSchema
from billor.loads.service import record_load
from billor.models import WRITTEN_AT, Document, DocumentKind, Load, User, db
from billor.observe.context import signed_in_user

logger = logging.getLogger(__name__)

MAX_PIXELS = 100_000_000
MAX_HEAD_BYTES = 1024 * 1024  # with the size; a file of tiny segments would take seconds
MAX_BOXES = 1000
ORPHAN_AGE = timedelta(days=1)
KEY = re.compile(r"document-[0-9a-f-]{36}")  # nothing else in the store is ours
MAX_OF_LOAD = 100
CONNECT_SECONDS, TIMEOUT_SECONDS, PING_SECONDS, PAUSE_SECONDS = 2, 10, 1, 5
AWAY = "documents_unavailable"
PDF = "application/pdf"
HEIC = "image/heic"
HEIC_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)  # also of tiles and previews
TYPES: dict[str, tuple[str, bytes]] = {
    "image/jpeg": (".jpg", rb"\xff\xd8\xff.*\xff\xd9"),
    "image/png": (".png", rb"\x89PNG\r\n\x1a\n.*\0{4}IEND\xaeB`\x82"),
    "image/webp": (".webp", rb"RIFF....WEBP.*"),
    HEIC: (".heic", rb"\0\0\0.ftyp(....){0,28}hei[cx].*"),
    PDF: (".pdf", rb"%PDF-\d\.\d.*startxref\s+\d+\s+%%EOF\s*"),
}
"""The extension of each media type, and how its files begin and end."""

_schema = DocumentSchema()


def recognise(data: bytes) -> str:
    """Return the media type of a photo or PDF, without decoding it. Raises `document_refused`."""
    for media_type, (_, pattern) in TYPES.items():
        if re.compile(pattern, re.DOTALL).fullmatch(data):
            sizes = _sizes(data, media_type)
            is_sane = sizes and all(min(size) > 0 and prod(size) <= MAX_PIXELS for size in sizes)
            if is_sane and _own_length(data) == len(data) and not _is_archive(data):
                return media_type
    raise BillorError("document_refused")


def _sizes(data: bytes, media_type: str) -> list[tuple[int, ...]]:
    if media_type == PDF:
        return [(1, 1)]
    if media_type == HEIC:  # imagesize reads none that is rotated, as those of phones are
        return [struct.unpack(">II", size) for size in HEIC_SIZE.findall(data)]
    return [imagesize.get(BytesIO(data[:MAX_HEAD_BYTES]))]


def _own_length(data: bytes) -> int:
    """Return the length that a WebP or HEIC file says it has."""
    if data.startswith(b"RIFF"):
        return 8 + int.from_bytes(data[4:8], "little")
    place = boxes = 0
    while data[4:8] == b"ftyp" and place < len(data) and boxes < MAX_BOXES:
        boxes += 1
        length = int.from_bytes(data[place : place + 4], "big")
        if length == 1:
            length = int.from_bytes(data[place + 8 : place + 16], "big")
        place += length or len(data) + 1
    return place or len(data)


def _is_archive(data: bytes) -> bool:
    """Return whether it ends as a ZIP file does, with a comment."""
    place = data.rfind(b"PK\5\6", -65_557)
    comment_length = int.from_bytes(data[place + 20 : place + 22], "little")
    return place >= 0 and place + 22 + comment_length == len(data)


class DocumentStore:
    """The object store. Its methods raise `documents_unavailable`, but for `answers`."""

    def __init__(self, config: Config):
        self._url = config.documents_url or (config.home / "documents").as_uri()
        self._retry_at = 0.0  # while it is away

    @in_thread
    def add(self, file: IO[bytes]) -> dict[str, Any]:
        """Store a file; return attributes of its document. Raises `document_refused`."""
        data = file.read()
        media_type, sha256 = recognise(data), hashlib.sha256(data).hexdigest()
        key = f"document-{uuid7()}"
        with self._connected() as store:
            store.put(key, data, use_multipart=False)
        return {"media_type": media_type, "size": len(data), "sha256": sha256, "object_key": key}

    @in_thread
    def discard(self, key: str) -> None:
        """Delete an object that gets no row. If that fails, it is swept."""
        with suppress(Unavailable), self._connected() as store:
            store.delete(key)

    @in_thread
    def read(self, key: str, start: int, length: int) -> bytes:
        """Return a part of an object. Raises `document_not_found`."""
        with self._connected() as store:
            try:
                return bytes(store.get_range(key, start=start, length=length))
            except FileNotFoundError as error:
                raise BillorError("document_not_found") from error

    def sweep(self, stop: Event) -> None:
        """Delete what has no row, and is so old that nobody is about to commit one."""
        with self._connected() as store:
            for batch in store.list():
                if orphans := _orphans(batch):
                    store.delete([*orphans])
                    logger.info("Deleted %d objects without a document", len(orphans))
                if stop.is_set():
                    return

    @in_thread
    def answers(self) -> bool:
        """Return whether it answers at once. A folder is not asked."""
        try:
            if not self._url.startswith("file:"):
                _connect(self._url, PING_SECONDS).list("none").collect()
        except BaseException:  # obstore panics at some settings
            return False
        return True

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Use the store in the block. After a failure nobody tries it for some seconds."""
        from obstore.exceptions import BaseError  # it takes 10 MB

        if time.monotonic() < self._retry_at:
            raise Unavailable(AWAY)
        try:
            yield _connect(self._url, TIMEOUT_SECONDS)
        except BaseException as error:
            # Also if obstore panics, whose class cannot be imported.
            if not isinstance(error, BaseError | OSError) and "Panic" not in type(error).__name__:
                raise
            retry_at = time.monotonic() + PAUSE_SECONDS
            was_away, self._retry_at = self._retry_at, retry_at  # first: many may fail at once
            if not was_away:
                reason = re.sub(r"\?\S+", "", str(error).partition("\n")[0])  # without a signature
                logger.warning("The document store is away: %s", reason)
            raise Unavailable(AWAY) from error
        self._retry_at = 0.0


@cache
def _connect(url: str, seconds: int) -> Any:
    from obstore.store import from_url

    if url.startswith("file:"):
        return from_url(url, mkdir=True)
    limit, connect_limit = timedelta(seconds=seconds), timedelta(seconds=CONNECT_SECONDS)
    return from_url(
        url,
        # http:// only for an endpoint that was set so.
        client_options={"timeout": limit, "connect_timeout": connect_limit, "allow_http": True},
        retry_config={"max_retries": 1, "retry_timeout": connect_limit},
    )


def _orphans(batch: Sequence[Any]) -> set[str]:
    before = datetime.now(UTC) - ORPHAN_AGE
    old = {each["path"] for each in batch if each["last_modified"] < before}
    ours = {path for path in old if KEY.fullmatch(path)}
    with transaction():
        query = select(Document.object_key).where(Document.object_key.in_(ours))
        return ours.difference(db.session.scalars(query))


def add_document(load_id: int, check: Check = unchecked, **fields: Any) -> Document:
    """Add the document of a stored file. `check` gets the locked load. Raises `NotFound`."""
    with transaction():
        load = lock(Load, load_id, check)
        of_load = select(func.count()).select_from(Document).where(Document.load_id == load_id)
        if db.session.scalars(of_load).one() >= MAX_OF_LOAD:
            raise Conflict("too_many_documents")
        user = db.session.get_one(User, signed_in_user().id)
        document = Document(load_id=load_id, user=user, **fields)
        db.session.add(document)
        _record(EventType.DOCUMENT_ADDED, load, document)
    return document


def delete_document(document_id: int, check: Check = unchecked) -> None:
    """Delete a document. `check` gets its load, locked. Raises `document_not_found`."""
    with transaction():
        load = lock(Load, find_document(document_id).load_id, check)
        document = find_document(document_id)
        db.session.delete(document)
        _record(EventType.DOCUMENT_REMOVED, load, document)


def _record(event_type: EventType, load: Load, document: Document) -> None:
    """Update the load, which counts as changed, and add the event."""
    pods = select(Document.id).filter_by(load_id=load.id, kind=DocumentKind.POD)
    load.has_pod = db.session.scalars(select(pods.exists())).one()
    load.updated_at = WRITTEN_AT
    db.session.flush()
    record_load(event_type, load, document=_schema.dump(document))


def find_document(document_id: int, *conditions: ColumnElement[bool]) -> Document:
    """Return a document with its user. Raises `document_not_found`."""
    query = select(Document).where(Document.id == document_id, *conditions)
    with transaction():  # no connection is held while bytes are read
        document = db.session.scalar(query.options(joinedload(Document.user)))
    if document is None:
        raise BillorError("document_not_found")
    return document


def list_documents(
    load_id: int, *conditions: ColumnElement[bool], limit: int, cursor: Position | None = None
) -> Page:
    """Return a page of a load's documents, newest first. Raises `NotFound`."""
    get_or_not_found(Load, load_id)
    query = select(Document).where(Document.load_id == load_id, *conditions)
    return paginate(query, [Document.id], limit, cursor, related=[joinedload(Document.user)])
