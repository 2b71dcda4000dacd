"""Confirming soon that every published event was recorded, and publishing again what never was.

A bus may lose what it has taken: the emulator forgets everything when it restarts, and somebody
may delete a topic or a subscription with all that it still held. The outbox says "published" then,
and only the audit store can tell better.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from threading import Event
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.store import AuditStore, StoreUnavailable
from billor.database import execute_bulk, transaction
from billor.errors import Unavailable
from billor.events.bus import Bus
from billor.extensions import db
from billor.models import LoadEvent

logger = logging.getLogger(__name__)

BATCH_SIZE = 1000
SOON_SECONDS = 5
"""How old a publication must be before its document is looked for."""
GRACE_SECONDS = 300
"""How old a publication must be before a missing document counts as lost, not as on its way."""
EVERY_SECONDS = 10
AGAIN_SECONDS = 1
"""How soon to look again after a failure while a new subscription may have cost events."""


class Reconciler:
    """Needs an application context around every call."""

    def __init__(self, store: AuditStore, bus: Bus, subscribed_at: datetime | None):
        """Make a reconciler. What was published before `subscribed_at` does not come any more."""
        self._store = store
        self._bus = bus
        self._subscribed_at = subscribed_at

    def run(self, stop: Event) -> None:
        """Look for documents now and then until `stop` is set."""
        while not stop.is_set():
            try:
                lost_before = self._subscribed_at or _now() - timedelta(seconds=GRACE_SECONDS)
                if return_unrecorded(self._store, lost_before, stop):
                    self._prepare_bus()
            except (StoreUnavailable, Unavailable, SQLAlchemyError) as error:
                # Relay and consumer tell of outages; this can wait.
                logger.debug("Not reconciled: %s", error)
                stop.wait(AGAIN_SECONDS if self._subscribed_at else EVERY_SECONDS)
            else:
                self._subscribed_at = None
                stop.wait(EVERY_SECONDS)

    def _prepare_bus(self) -> None:
        """Have what is published again arrive: our subscription may be to a deleted topic."""
        try:
            self._bus.prepare()
        except Exception as error:  # the bus's client raises all kinds
            logger.warning("The event bus cannot be prepared: %s", error)


def return_unrecorded(store: AuditStore, lost_before: datetime, stop: Event) -> int:
    """Confirm published events that have their document; put lost ones back into the outbox.

    Lost is what has no document and was published before `lost_before`; return how many that
    are. Ends early once `stop` is set, or when nothing of a batch is there yet: what was
    published later will not be there either.

    Raises `StoreUnavailable`, `Unavailable`. What was done before that stays done.
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
    """Return the time on PostgreSQL's clock once relays have marked what they are publishing.

    Relays hold the locks of these rows, and take the oldest rows first. Raises `Unavailable`.
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
    """Return the oldest publications that may be looked for, without the first ones."""
    soon = func.now() - timedelta(seconds=SOON_SECONDS)
    query = (
        select(LoadEvent.id, LoadEvent.published_at)
        .where(
            LoadEvent.published_at < func.greatest(lost_before, soon),
            LoadEvent.recorded_at.is_(None),
        )
        .order_by(LoadEvent.published_at, LoadEvent.id)
        .offset(skipped)
        .limit(BATCH_SIZE)
    )
    with transaction():
        return db.session.execute(query).all()


def _update(ids: Collection[UUID], **values) -> None:
    if ids:
        execute_bulk(update(LoadEvent).where(LoadEvent.id.in_(ids)).values(values))
