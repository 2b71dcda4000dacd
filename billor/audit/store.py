"""The audit store: what each must do."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from billor.events.event import AuditDocument


class StoreUnavailable(Exception):
    """The store is away, or answers as if it were; nothing is known to be stored."""


class Refusal(NamedTuple):
    """A document that the store does not take, now or later, and why."""

    document: AuditDocument
    reason: str


@dataclass(frozen=True)
class Saved:
    """What became of documents that were to be saved.

    `new` were stored now, those in `refused` were not. All others were there before, the same.
    """

    new: Sequence[AuditDocument]
    refused: Sequence[Refusal]


class Found(NamedTuple):
    """Documents, and whether all that are stored were searched; if not, new ones may be missing."""

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
        """The same for the same message, however often it comes."""
        attributes = json.dumps(self.attributes, sort_keys=True).encode()
        return hashlib.sha256(attributes + b"\n" + self.data).hexdigest()


@dataclass(frozen=True)
class BuriedLetter:
    """A dead letter in the store, with the size of its data in bytes instead of the data."""

    id: str
    size: int
    attributes: dict[str, str]
    reason: str
    received_at: datetime


Position = tuple[str, str]
"""A document's place in the order of all: its timestamp and its id."""


@dataclass(frozen=True)
class AuditFilter:
    """Which documents to find; None matches all.

    The range of time begins at `since` and ends before `until`, both in the form of the documents'
    timestamps.
    """

    load_id: int | None = None
    driver_id: int | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None

    def start(self, after: Position | None) -> Position | None:
        """Return the position after which documents match, if they must come `after` that, too."""
        positions = [after] if after else []
        if self.until:
            positions.append((self.until, ""))  # no id is less than the empty text
        return min(positions, default=None)


class AuditStore(Protocol):
    """Every method but `close` may raise `StoreUnavailable`."""

    def prepare(self) -> None:
        """Make what the store needs, if it is not there."""

    def ping(self) -> None:
        """Return if the store answers."""

    def save(self, documents: Sequence[AuditDocument]) -> Saved:
        """Store documents durably. Storing one again is harmless."""

    def index(self) -> None:
        """Index what was saved, so that readers need not wait for that. May take a minute."""

    def missing(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that no document has."""

    def find(self, wanted: AuditFilter, limit: int, after: Position | None = None) -> Found:
        """At most `limit` documents, newest first, those that come `after` a position."""

    def bury(self, letter: DeadLetter) -> None:
        """Store a dead letter durably. Storing one again is harmless."""

    def dead_letters(self) -> list[BuriedLetter]:
        """All dead letters, oldest first."""

    def dead_letter_data(self, id_: str) -> bytes:
        """Return the data of a dead letter that is there."""

    def remove_dead_letter(self, id_: str) -> None:
        """Forget a dead letter, if it is there."""

    def close(self) -> None:
        """Let go of all connections."""
