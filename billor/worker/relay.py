"""The relay: publishes the events in the outbox, and marks those that the bus accepted.

Rows are selected by state, never by "an id above the last one seen": ids do not commit in order,
so rows would be skipped. A row stays locked until its publication is settled, so a crash releases
it, and any number of relays may run.
"""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from threading import Event

from sqlalchemy import ARRAY, Row, Uuid, any_, bindparam, exists, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from billor.database import execute, table, transaction
from billor.errors import Unavailable
from billor.events.bus import Bus, Outcome
from billor.events.event import to_message
from billor.extensions import db
from billor.metrics import batch_published
from billor.models import LoadEvent
from billor.traces.spans import ended, tracer
from billor.worker.outage import Outage

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
# The least time between two looks for events: those that come within it are published together.
IDLE_SECONDS = 0.15
# The longest time between two, while Redis tells of changes.
LONGEST_IDLE_SECONDS = 1
STOP_POLL_SECONDS = 0.5
# Timeout of publishing a batch.
PUBLISH_SECONDS = 15

# Past the session, which takes longer than all else about an event.
_EVENTS = table(LoadEvent).c
ANY_UNPUBLISHED = select(exists().where(_EVENTS.published_at.is_(None)))
UNPUBLISHED = (
    select(
        _EVENTS.id,
        _EVENTS.type,
        _EVENTS.load_id,
        _EVENTS.driver_id,
        _EVENTS.assignment_id,
        _EVENTS.user_id,
        _EVENTS.payload,
        _EVENTS.request_id,
        _EVENTS.traceparent,
        _EVENTS.created_at,
    )
    .where(_EVENTS.published_at.is_(None))
    .order_by(_EVENTS.created_at)
    .with_for_update(skip_locked=True, key_share=True)
)
MARK = (
    update(table(LoadEvent))
    .where(_EVENTS.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .values(published_at=func.clock_timestamp())
)


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
            asked_at = time.monotonic()
            try:
                published = self.publish_batch(stop) if _is_any_unpublished() else 0
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
                    self._wait_for_events(asked_at, stop)

    def _wait_for_events(self, asked_at: float, stop: Event) -> None:
        """Wait until PostgreSQL may be asked again."""
        stop.wait(max(0, asked_at + IDLE_SECONDS - time.monotonic()))

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
            rows = execute(UNPUBLISHED.limit(BATCH_SIZE)).all()
            if not rows:
                return 0
            started = time.monotonic()
            outcome = self._publish(rows, stop)
            seconds = time.monotonic() - started
            taken = [row for row, refusal in zip(rows, outcome, strict=True) if not refusal]
            if taken:
                execute(MARK, {"ids": [row.id for row in taken]})
        batch_published([row.created_at for row in taken], seconds)
        for refusal in filter(None, outcome):
            raise PublishFailed(_told(refusal))
        return len(taken)

    def _publish(self, rows: Sequence[Row], stop: Event | None) -> Outcome:
        """Publish events, each as a step of its trace. Raises `PublishFailed`."""
        spans = [tracer().message("publish", str(row.id), row.traceparent) for row in rows]
        with ended(spans):
            outcome = _outcome(self._bus.publish([to_message(row) for row in rows]), stop)
            for span, refusal in zip(spans, outcome, strict=True):
                if refusal:
                    span.fail(type(refusal).__name__)
        return outcome


def _is_any_unpublished() -> bool:
    """Ask past the session: an idle relay does little else."""
    with db.engine.connect() as connection:
        return bool(connection.scalar(ANY_UNPUBLISHED))


def _outcome(publication: Future[Outcome], stop: Event | None) -> Outcome:
    """Wait for the bus's answer.

    Raises `PublishFailed` if the bus accepts no event, or has not answered in time, or once `stop`
    is set.
    """
    deadline = time.monotonic() + PUBLISH_SECONDS
    while not publication.done():
        wait([publication], timeout=min(STOP_POLL_SECONDS, PUBLISH_SECONDS))
        if time.monotonic() > deadline or (stop and stop.is_set()):
            break
    if not publication.done():
        raise PublishFailed(f"no answer within {PUBLISH_SECONDS} s")
    if error := publication.exception():
        raise PublishFailed(_told(error)) from error
    return publication.result()


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
