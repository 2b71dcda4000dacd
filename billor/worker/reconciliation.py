"""Reconciliation: confirms that published events were recorded, and republishes lost ones.

A bus may lose accepted messages: the emulator loses all of them when it restarts, and somebody may
delete a topic or a subscription with pending messages. Then the outbox says "published", and only
the audit store knows better.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Event
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, any_, bindparam, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.store import AuditStore, StoreUnavailable
from billor.database import execute, table, transaction
from billor.errors import Unavailable
from billor.events.bus import Bus
from billor.extensions import db
from billor.models import LoadEvent

logger = logging.getLogger(__name__)

BATCH_SIZE = 1000
# Age of a publication before its document is looked for.
SOON_SECONDS = 5
# Age of a publication before a missing document counts as lost, not as in flight.
GRACE_SECONDS = 300
EVERY_SECONDS = 10
# Retry interval after a failure while a new subscription may have lost events.
AGAIN_SECONDS = 1

_EVENTS = table(LoadEvent)
_IDS = bindparam("ids", type_=ARRAY(Uuid))


class Reconciler:
    """Confirms and republishes events. Every call needs an application context."""

    def __init__(self, store: AuditStore, bus: Bus, subscribed_at: datetime | None):
        """Create a reconciler. Messages published before `subscribed_at` are not delivered."""
        self._store = store
        self._bus = bus
        self._subscribed_at = subscribed_at

    def run(self, stop: Event) -> None:
        """Reconcile every few seconds until `stop` is set."""
        while not stop.is_set():
            try:
                lost_before = self._subscribed_at or _now() - timedelta(seconds=GRACE_SECONDS)
                if return_unrecorded(self._store, lost_before, stop):
                    self._prepare_bus()
            except (StoreUnavailable, Unavailable, SQLAlchemyError) as error:
                # Relay and consumer report outages; this can wait.
                logger.debug("Not reconciled: %s", error)
                stop.wait(AGAIN_SECONDS if self._subscribed_at else EVERY_SECONDS)
            else:
                self._subscribed_at = None
                stop.wait(EVERY_SECONDS)

    def _prepare_bus(self) -> None:
        """Repair the subscription, which may be to a deleted topic, before republishing."""
        try:
            self._bus.prepare()
        except Exception as error:  # the bus's client raises arbitrary exceptions
            logger.warning("The event bus cannot be prepared: %s", error)


def return_unrecorded(store: AuditStore, lost_before: datetime, stop: Event) -> int:
    """Confirm published events that have a document; put lost ones back into the outbox.

    An event is lost if it has no document and was published before `lost_before`; return the number
    of lost events. Ends early once `stop` is set, or when a whole batch is in flight: later events
    will be, too.

    Raises `StoreUnavailable`, `Unavailable`. Batches before that stay committed.
    """
    returned = waiting = 0
    while not stop.is_set() and (events := _unconfirmed(lost_before, waiting)):
        missing = store.missing([str(event.id) for event in events])
        lost = [e.id for e in events if str(e.id) in missing and e.published_at < lost_before]
        with transaction():
            _update([e.id for e in events if str(e.id) not in missing], recorded_at=func.now())
            _update(lost, published_at=None)
        returned += len(lost)
        waiting += len(missing) - len(lost)
        if len(missing) - len(lost) == len(events):
            break
    if returned:
        logger.warning("%d published events were never recorded; publishing them again", returned)
    return returned


def settled_now() -> datetime:
    """Wait until relays have marked the events they are publishing; return PostgreSQL's time.

    Relays lock these rows, the oldest first. Raises `Unavailable`.
    """
    oldest = (
        select(LoadEvent.id)
        .where(LoadEvent.published_at.is_(None))
        .order_by(LoadEvent.created_at)
        .limit(BATCH_SIZE)
        .with_for_update(key_share=True)
    )
    with transaction():
        db.session.execute(select(func.count()).select_from(oldest.subquery()))
    return _now()


def _now() -> datetime:
    with transaction():
        return db.session.scalars(select(func.clock_timestamp())).one()


def _unconfirmed(lost_before: datetime, skipped: int) -> Sequence[Row]:
    """Return the oldest publications to look for, after the first `skipped`."""
    soon = func.now() - timedelta(seconds=SOON_SECONDS)
    query = (
        select(_EVENTS.c.id, _EVENTS.c.published_at)
        .where(
            _EVENTS.c.published_at < func.greatest(lost_before, soon),
            _EVENTS.c.recorded_at.is_(None),
        )
        .order_by(_EVENTS.c.published_at, _EVENTS.c.id)
        .offset(skipped)
        .limit(BATCH_SIZE)
    )
    with transaction():
        return execute(query).all()


def _update(ids: Sequence[UUID], **values) -> None:
    if ids:
        execute(update(_EVENTS).where(_EVENTS.c.id == any_(_IDS)).values(values), {"ids": ids})
