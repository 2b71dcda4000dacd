"""The protocol of audit stores."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from billor.events.event import AuditDocument


class StoreUnavailable(Exception):
    """The store is unavailable or misbehaves. Whether anything was stored is unknown."""


class Refusal(NamedTuple):
    """A document that the store refuses permanently, and the reason."""

    document: AuditDocument
    reason: str


@dataclass(frozen=True)
class Saved:
    """The outcome of a save.

    `new` were stored now, `refused` were not. All others were already stored, identically.
    """

    new: Sequence[AuditDocument]
    refused: Sequence[Refusal]


class Found(NamedTuple):
    """Documents found. If not `is_complete`, new documents may be missing."""

    documents: list[AuditDocument]
    is_complete: bool = True


ID_TAKEN = "another document has this id"


@dataclass(frozen=True)
class DeadLetter:
    """A message that could not be recorded: its raw bytes, its attributes, and why."""

    data: bytes
    attributes: dict[str, str]
    reason: str
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def id(self) -> str:
        """A hash of the message, so that a redelivered one has the same id."""
        attributes = json.dumps(self.attributes, sort_keys=True).encode()
        return hashlib.sha256(attributes + b"\n" + self.data).hexdigest()


@dataclass(frozen=True)
class BuriedLetter:
    """A stored dead letter, with the size of its data in bytes instead of the data."""

    id: str
    size: int
    attributes: dict[str, str]
    reason: str
    received_at: datetime


# A document's position in the sort order: its timestamp and its id.
Position = tuple[str, str]


class _InTime:
    """A range of time, which includes `since` and excludes `until`.

    Both have the format of documents' timestamps.
    """

    since: str | None
    until: str | None

    def start(self, after: Position | None) -> Position | None:
        """Return the position that matches come after: the earlier of `after` and `until`."""
        positions = [after] if after else []
        if self.until:
            positions.append((self.until, ""))  # the empty string sorts before every id
        return min(positions, default=None)


@dataclass(frozen=True)
class AuditFilter(_InTime):
    """Filters of a search for what happened to loads; None matches all."""

    load_id: int | None = None
    driver_id: int | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def values(self) -> tuple[int | str | None, ...]:
        """The values in the order of an index's columns."""
        return self.load_id, self.driver_id, self.type


@dataclass(frozen=True)
class AccountFilter(_InTime):
    """Filters of a search for what happened to accounts, which finds nothing of loads."""

    user_id: int | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def values(self) -> tuple[int | str | None, ...]:
        """The values in the order of an index's columns."""
        return self.user_id, self.type


def is_of_account(document: AuditDocument) -> bool:
    """Return whether a document tells of an account, and not of a load."""
    return "userId" in document


class AuditStore(Protocol):
    """Stores audit documents and dead letters.

    Every method but `close` may raise `StoreUnavailable`.
    """

    def prepare(self) -> None:
        """Create what the store needs, if missing."""

    def ping(self) -> None:
        """Return if the store answers."""

    def save(self, documents: Sequence[AuditDocument]) -> Saved:
        """Store documents durably. Idempotent."""

    def index(self) -> None:
        """Index saved documents, so that readers need not wait. May take a minute."""

    def missing(self, ids: Sequence[str]) -> set[str]:
        """Return the ids that no document has."""

    def get(self, ids: Sequence[str]) -> list[AuditDocument]:
        """Return the documents with these ids, in any order, without those that are missing."""

    def page(self, limit: int, after: str = "") -> list[AuditDocument]:
        """Return the first documents of all whose ids come `after` one, in the order of ids."""

    def remove(self, ids: Sequence[str]) -> None:
        """Delete the documents with these ids that exist."""

    def find(
        self, wanted: AuditFilter | AccountFilter, limit: int, after: Position | None = None
    ) -> Found:
        """Return at most `limit` matching documents `after` a position, newest first."""

    def bury(self, letter: DeadLetter) -> None:
        """Store a dead letter durably. Idempotent."""

    def dead_letters(self) -> list[BuriedLetter]:
        """Return all dead letters, oldest first."""

    def dead_letter_data(self, id_: str) -> bytes:
        """Return the data of an existing dead letter."""

    def remove_dead_letter(self, id_: str) -> None:
        """Delete a dead letter if it exists."""

    def close(self) -> None:
        """Close all connections."""
