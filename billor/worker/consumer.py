"""The consumer: turns messages into audit documents, and acks only what is stored.

A message that is not an event, or that the store refuses, becomes a dead letter, so that it does
not block others. While the store is unavailable, all messages are nacked and none is dropped.

A store that answers a ping may still fail to write, because of one document or for reasons of its
own. Then the batch is halved until failing documents are alone. Such a document is buried only if
it fails repeatedly while others are stored: otherwise the store is at fault.
"""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billor.audit.store import AuditStore, DeadLetter, Saved, StoreUnavailable
from billor.events.event import happened_at
from billor.metrics import batch_recorded, dead_letter_buried
from billor.traces.spans import ended, tracer
from billor.worker.received import Received
from billor.worker.stage import POLL_SECONDS, Stage, give_back

logger = logging.getLogger(__name__)

# A document is buried after it failed alone this often and for this long.
LEAST_FAILURES = 5
PATIENCE_SECONDS = 10
MOST_SUSPECTS = 10_000


@dataclass
class Suspect:
    """A document that failed alone while the store answered a ping."""

    since: float
    failures: int = 0


class Consumer(Stage):
    """The last stage: it acks or nacks every message."""

    def __init__(self, store: AuditStore):
        super().__init__("The audit store", StoreUnavailable)
        self._store = store
        self._stored_at = 0.0
        self._suspects: dict[str, Suspect] = {}
        self._buried = 0

    def handle(self, batch: Sequence[Received]) -> None:
        """Store documents, bury those that never can be stored, ack both; nack the rest."""
        started = time.monotonic()
        while len(self._suspects) > MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]  # the oldest
        try:
            dead, failed = self._save([r for r in batch if r.document])
            dead |= {r: r.flaw for r in batch if r.flaw}
            dead |= {r: str(error) for r, error in failed.items() if self._blame(r, started)}
            unburied = self._bury(dead)
        except StoreUnavailable:
            self._suspects.clear()  # the outage may have caused their failures
            give_back(batch)
            raise
        again = (failed.keys() - dead.keys()) | unburied.keys()
        for received in batch:
            if received in again:
                give_back([received])
            else:
                received.delivery.ack()
        # No document was stored since these failed: treat the store as unavailable.
        in_doubt = [error for r, error in failed.items() if not self._others_were_stored(r)]
        for error in (*in_doubt, *unburied.values()):
            raise error
        if again and self._stored_at < started:
            self._stop.wait(POLL_SECONDS)  # they are redelivered at once

    def _save(
        self, events: Sequence[Received]
    ) -> tuple[dict[Received, str], dict[Received, StoreUnavailable]]:
        """Store documents. Return the refused ones and those that fail alone, with reasons.

        Raises `StoreUnavailable` if the store does not answer a ping.
        """
        suspected = [r for r in events if r.document["_id"] in self._suspects]
        others = [r for r in events if r not in suspected]
        pieces = deque(filter(None, [others, *([r] for r in suspected)]))
        refused: dict[Received, str] = {}
        failed: dict[Received, StoreUnavailable] = {}
        while pieces:
            piece = pieces.popleft()
            try:
                saved = self._record(piece)
            except StoreUnavailable as error:
                if self._stop.is_set():
                    raise
                self._store.ping()
                if len(piece) == 1:
                    failed[piece[0]] = error
                else:
                    middle = len(piece) // 2
                    pieces += [piece[:middle], piece[middle:]]
                continue
            if saved.new:
                self._stored_at = time.monotonic()
            for received in piece:
                self._suspects.pop(received.document["_id"], None)
                for document, reason in saved.refused:
                    if document == received.document:
                        refused[received] = reason
        return refused, failed

    def _record(self, piece: Sequence[Received]) -> Saved:
        """Store documents, each as a step of its trace. Raises `StoreUnavailable`."""
        began = time.monotonic()
        spans = [tracer().document(r.document["_id"], r.traceparent) for r in piece]
        with ended(spans):
            saved = self._store.save([r.document for r in piece])
            refused = [document for document, _ in saved.refused]
            for received, span in zip(piece, spans, strict=True):
                if received.document in refused:
                    span.fail("Refusal")
        batch_recorded(
            [happened_at(document) for document in saved.new],
            time.monotonic() - began,
            again=len(piece) - len(saved.new) - len(saved.refused),
        )
        return saved

    def _blame(self, received: Received, started: float) -> bool:
        """Count a failure, in a batch begun at `started`; return whether to bury the document."""
        suspect = self._suspects.setdefault(received.document["_id"], Suspect(since=started))
        suspect.failures += 1
        return (
            self._others_were_stored(received)
            and suspect.failures >= LEAST_FAILURES
            and time.monotonic() - suspect.since >= PATIENCE_SECONDS
        )

    def _others_were_stored(self, suspected: Received) -> bool:
        return self._stored_at > self._suspects[suspected.document["_id"]].since

    def _bury(self, dead: Mapping[Received, str]) -> dict[Received, StoreUnavailable]:
        """Store messages as dead letters. Return those that fail, with their errors.

        Raises `StoreUnavailable` if the store does not answer a ping.
        """
        unburied: dict[Received, StoreUnavailable] = {}
        for received, reason in dead.items():
            message = received.delivery.message
            try:
                self._store.bury(DeadLetter(message.data, dict(message.attributes), reason))
            except StoreUnavailable as error:
                self._store.ping()
                unburied[received] = error
                continue
            self._buried += 1
            dead_letter_buried()
            logger.error("Dead letter, number %d since the start: %s", self._buried, reason)
        return unburied
