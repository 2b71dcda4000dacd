"""The relay: publishes the events in the outbox, and marks those that the bus accepted.

Rows are selected by state, never by "an id above the last one seen": ids do not commit in order,
so rows would be skipped. A row stays locked until its publication is settled, so a crash releases
it, and any number of relays may run.
"""

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from threading import Event

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from billor.database import execute_bulk, transaction
from billor.errors import Unavailable
from billor.events.bus import Bus
from billor.events.event import to_message
from billor.extensions import db
from billor.models import LoadEvent
from billor.worker.outage import Outage

logger = logging.getLogger(__name__)

BATCH_SIZE = 200
IDLE_SECONDS = 0.1
STOP_POLL_SECONDS = 0.5
# Timeout of publishing a batch.
PUBLISH_SECONDS = 15


class PublishFailed(Exception):
    """The bus did not accept some events; they stay in the outbox."""


class Relay:
    """Publishes events. Every call needs an application context."""

    def __init__(self, bus: Bus):
        self._bus = bus

    def run(self, stop: Event) -> None:
        """Publish events until `stop` is set, with a backoff while PostgreSQL or the bus fails."""
        database, bus = Outage("PostgreSQL", logger), Outage("The event bus", logger)
        while not stop.is_set():
            try:
                published = self.publish_batch(stop)
            except (Unavailable, SQLAlchemyError) as error:
                database.begin_or_go_on(error, stop)
            except PublishFailed as error:
                database.end()
                if not stop.is_set():
                    bus.begin_or_go_on(error, stop)
                if not stop.is_set():
                    self._prepare_topic()
            else:
                database.end()
                if published:
                    bus.end()
                else:
                    stop.wait(IDLE_SECONDS)

    def _prepare_topic(self) -> None:
        """Recreate the topic if it was deleted, one reason for failed publications."""
        try:
            self._bus.prepare_topic()
        except Exception as error:  # the bus's client raises arbitrary exceptions
            logger.debug("The topic cannot be prepared: %s", error)

    def publish_batch(self, stop: Event | None = None) -> int:
        """Publish the oldest unpublished events; return how many, 0 if there are none.

        Once `stop` is set, events not yet accepted are left for the next relay.

        Raises `PublishFailed` if the bus refused some, after marking those it accepted.
        """
        with transaction():
            rows = db.session.scalars(
                select(LoadEvent)
                .where(LoadEvent.published_at.is_(None))
                .order_by(LoadEvent.created_at)
                .limit(BATCH_SIZE)
                .with_for_update(skip_locked=True, key_share=True)
            ).all()
            if not rows:
                return 0
            publications = {self._bus.publish(to_message(row)): row.id for row in rows}
            _wait_until_settled(publications, stop)
            taken = [id_ for future, id_ in publications.items() if _succeeded(future)]
            if taken:
                marks = update(LoadEvent).where(LoadEvent.id.in_(taken))
                execute_bulk(marks.values(published_at=func.clock_timestamp()))
        db.session.remove()
        if len(taken) < len(publications):
            raise PublishFailed(_first_error(publications))
        return len(taken)


def _wait_until_settled(publications: Iterable[Future], stop: Event | None) -> None:
    deadline = time.monotonic() + PUBLISH_SECONDS
    unsettled: set[Future] = set(publications)
    while unsettled:
        unsettled = wait_for(unsettled, timeout=min(STOP_POLL_SECONDS, PUBLISH_SECONDS)).not_done
        if time.monotonic() > deadline or (stop and stop.is_set()):
            return


def _succeeded(publication: Future) -> bool:
    return publication.done() and publication.exception() is None


def _first_error(publications: Iterable[Future]) -> str:
    for publication in publications:
        if publication.done() and (error := publication.exception()):
            return f"{type(error).__name__}: {error}"
    return f"no answer within {PUBLISH_SECONDS} s"
