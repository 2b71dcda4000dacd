"""Telling drivers of their loads: at least once, and as a rule once, whatever the audit store does.

The mark that a driver was told is committed after sending. A sender that fails, or a worker that is
killed in between, leaves no mark, and the message comes again; a message that comes again for other
reasons finds the mark.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from billor.database import DELETE_BATCH_SIZE, execute_bulk, transaction
from billor.errors import Unavailable
from billor.extensions import db
from billor.models import LoadEvent, Notification
from billor.traces import continued
from billor.worker.received import Received
from billor.worker.stage import Stage, give_back

logger = logging.getLogger(__name__)

KEPT_DAYS = 32
"""For how long a mark is kept: Pub/Sub may bring a message again for 31 days
(`message_retention_duration`, https://cloud.google.com/pubsub/docs/subscription-properties)."""


class NotSent(Exception):
    """Some notifications could not be sent; their messages were given back."""


def send(text: str) -> None:
    """Send a notification. Simulated: it is a line in the log."""
    logger.info("%s", text)


class Notifier(Stage):
    """Sends the notifications of messages, and passes the messages on.

    Needs an application context around every call but `deliver`.
    """

    def __init__(self, send: Callable[[str], None], pass_on: Callable[[Received], None]):
        """`send` may raise anything if it fails."""
        super().__init__("The notification service", Unavailable, SQLAlchemyError, NotSent)
        self._send = send
        self._pass_on = pass_on

    def handle(self, batch: Sequence[Received]) -> None:
        try:
            failures = self._tell({r.document["_id"]: r for r in batch})
        except (Unavailable, SQLAlchemyError):
            give_back(batch)
            raise
        for received in batch:
            if received.document["_id"] in failures:
                give_back([received])
            else:
                self._pass_on(received)
        for error in failures.values():
            raise NotSent(f"{type(error).__name__}: {error}") from error

    def _tell(self, batch: Mapping[str, Received]) -> dict[str, Exception]:
        """Send what was not sent before, by events' ids; return what failed."""
        failures: dict[str, Exception] = {}
        with transaction():
            for event_id in _mark(batch):
                received = batch[event_id]
                try:
                    with continued("notify", received.traceparent):
                        self._send(received.notification)
                except Exception as error:
                    failures[event_id] = error
            if failures:
                execute_bulk(delete(Notification).where(Notification.event_id.in_(failures)))
        return failures


def _mark(event_ids: Iterable[str]) -> list[str]:
    """Mark events as told; return those that were not marked before.

    Another consumer's mark that is not yet committed is waited for. Marks are made in one
    order, so that no two consumers wait for each other.
    """
    rows = [{"event_id": event_id} for event_id in sorted(event_ids)]
    marks = insert(Notification).values(rows).on_conflict_do_nothing()
    return [str(id_) for id_ in db.session.scalars(marks.returning(Notification.event_id))]


def delete_old_marks() -> int:
    """Delete old marks, `DELETE_BATCH_SIZE` at most; return how many.

    Marks are kept while their message may come again: an event that was never recorded may be
    published again at any time.

    Raises `Unavailable`.
    """
    may_come_again = (
        select(LoadEvent.id)
        .where(LoadEvent.id == Notification.event_id, LoadEvent.recorded_at.is_(None))
        .exists()
    )
    old = (
        select(Notification.event_id)
        .where(Notification.sent_at < func.now() - timedelta(days=KEPT_DAYS), ~may_come_again)
        .limit(DELETE_BATCH_SIZE)
    )
    with transaction():
        return execute_bulk(delete(Notification).where(Notification.event_id.in_(old)))
