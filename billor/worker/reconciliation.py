"""Reconciliation: confirms that published events were recorded, and republishes lost ones.

A bus may lose accepted messages: the emulator loses all of them when it restarts, and somebody may
delete a topic or a subscription with pending messages. Then the outbox says "published", and only
the audit store knows better.

A message that is waiting is not lost: while the consumer is behind, nothing is published again. An
event is lost if one that was published `GRACE_SECONDS` later has been recorded. If there is none,
because nothing happens or nothing arrives, a few events are published again as a probe: once one of
them is recorded, it has overtaken the lost ones.
"""

import logging
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Uuid,
    any_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from billor.audit.store import AuditStore, StoreUnavailable
from billor.database import after_commit, execute, table, transaction
from billor.errors import Unavailable
from billor.events.bus import Bus
from billor.extensions import db
from billor.metrics import Step, events_put_back, events_reached
from billor.models import LoadEvent

logger = logging.getLogger(__name__)

BATCH_SIZE = 1000
# Age of a publication before its document is looked for.
SOON_SECONDS = 5
# How much later an event must have been published to show, once recorded, that those before it are
# lost. Long enough for a killed consumer's messages to be redelivered.
GRACE_SECONDS = 30
# An event whose publication was late, as that of one republished before, is given as much time
# again, up to this. So what is never recorded is republished less and less often.
LONGEST_GRACE_SECONDS = 300
# How many events are republished at most once in `GRACE_SECONDS` to find out about the others.
PROBE_SIZE = 10
EVERY_SECONDS = 10
# Retry interval after a failure while a new subscription may have lost events.
AGAIN_SECONDS = 1
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_EVENTS = table(LoadEvent).c
_IDS = bindparam("ids", type_=ARRAY(Uuid))


class Reconciler:
    """Confirms and republishes events. Every call needs an application context."""

    def __init__(self, store: AuditStore, bus: Bus, subscribed_at: datetime | None):
        """Create a reconciler. Messages published before `subscribed_at` are not delivered."""
        self._store = store
        self._bus = bus
        self._subscribed_at = subscribed_at
        self._recorded_until = NEVER
        self._probed_at = -float(GRACE_SECONDS)

    def run(self, stop: Event) -> None:
        """Reconcile every few seconds until `stop` is set."""
        while not stop.is_set():
            try:
                if self._return_lost(stop):
                    self._prepare_bus()
            except (StoreUnavailable, Unavailable, SQLAlchemyError) as error:
                # Relay and consumer report outages; this can wait.
                logger.debug("Not reconciled: %s", error)
            stop.wait(AGAIN_SECONDS if self._subscribed_at else EVERY_SECONDS)

    def _return_lost(self, stop: Event) -> int:
        """Confirm events; put lost ones back into the outbox, or a probe; return how many."""
        if self._subscribed_at:
            returned = return_unrecorded(self._store, self._subscribed_at, stop)
            self._subscribed_at = None
            return returned
        newest = confirm_newest(self._store)
        self._recorded_until = max(self._recorded_until, newest.recorded_until)
        lost_before = self._recorded_until - _grace()
        returned = return_unrecorded(self._store, lost_before, stop, patiently=True)
        return returned or self._probe(newest.overdue)

    def _probe(self, overdue: Sequence[Row]) -> int:
        """Put a few overdue events back, unless there was a probe just before; return how many.

        They are the newest: should all still be waiting in the bus, the probe shows nothing before
        its turn, and if its first publication is recorded, that has overtaken nothing either.
        """
        if not overdue or time.monotonic() < self._probed_at + GRACE_SECONDS:
            return 0
        self._probed_at = time.monotonic()
        probe = overdue[:PROBE_SIZE]
        with transaction():
            _put_back([event.id for event in probe], probe[0].now)
        logger.info("Events are overdue; publishing %d of them again to find out why", len(probe))
        return len(probe)

    def _prepare_bus(self) -> None:
        """Repair the subscription, which may be to a deleted topic, before republishing."""
        try:
            is_new = self._bus.prepare()
        except Exception as error:  # the bus's client raises arbitrary exceptions
            logger.warning("The event bus cannot be prepared: %s", error)
            return
        if is_new:
            self._subscribed_at = settled_now()


class Newest(NamedTuple):
    """What the newest publications show."""

    recorded_until: datetime
    """When the last one that was recorded had been published; `NEVER` if none was."""
    overdue: Sequence[Row]
    """Those without a document that could have one, the newest first."""


def confirm_newest(store: AuditStore) -> Newest:
    """Confirm those of the newest published events that have a document; return what they show.

    Raises `StoreUnavailable`, `Unavailable`.
    """
    newest_first = _published().order_by(_EVENTS.created_at.desc(), _EVENTS.id.desc())
    events = _fetch(newest_first)
    missing = store.missing([str(event.id) for event in events]) if events else set()
    recorded = [event for event in events if str(event.id) not in missing]
    with transaction():
        _confirm(recorded)
    return Newest(
        max((event.published_at for event in recorded), default=NEVER),
        [event for event in events if str(event.id) in missing and _is_overdue(event)],
    )


def return_unrecorded(
    store: AuditStore, lost_before: datetime, stop: Event, *, patiently: bool = False
) -> int:
    """Confirm published events that have a document; put lost ones back into the outbox.

    An event is lost if it has no document and was published before `lost_before`; if `patiently`,
    only once it is overdue. Return the number of lost events. Ends early once `stop` is set, or
    when a whole batch is in flight: later events will be, too.

    Raises `StoreUnavailable`, `Unavailable`. Batches before that stay committed.
    """
    returned = waiting = 0
    while not stop.is_set() and (events := _unconfirmed(lost_before, waiting)):
        missing = store.missing([str(event.id) for event in events])
        lost = [
            event.id
            for event in events
            if str(event.id) in missing
            and event.published_at < lost_before
            and (_is_overdue(event) or not patiently)
        ]
        with transaction():
            _confirm([event for event in events if str(event.id) not in missing])
            _put_back(lost, lost_before)
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
    with transaction():
        return db.session.scalars(select(func.clock_timestamp())).one()


def _grace() -> timedelta:
    return timedelta(seconds=GRACE_SECONDS)


def _is_overdue(event: Row) -> bool:
    """Return whether an event has had its time to be recorded since it was last published."""
    took = event.published_at - event.created_at
    longest = timedelta(seconds=LONGEST_GRACE_SECONDS)
    return event.now - event.published_at > max(_grace(), min(took, longest))


def _published(lost_before: datetime = NEVER) -> Select:
    """Return a query for unconfirmed events published a while ago, or before `lost_before`."""
    soon = func.now() - timedelta(seconds=SOON_SECONDS)
    return select(
        _EVENTS.id, _EVENTS.created_at, _EVENTS.published_at, func.now().label("now")
    ).where(
        _EVENTS.published_at < func.greatest(lost_before, soon),
        _EVENTS.recorded_at.is_(None),
    )


def _unconfirmed(lost_before: datetime, skipped: int) -> Sequence[Row]:
    """Return the oldest events to look for, after the first `skipped`."""
    oldest_first = _published(lost_before).order_by(_EVENTS.created_at, _EVENTS.id)
    return _fetch(oldest_first.offset(skipped))


def _fetch(query: Select) -> Sequence[Row]:
    with transaction():
        return execute(query.limit(BATCH_SIZE)).all()


def _confirm(events: Sequence[Row]) -> None:
    ids, times = [event.id for event in events], [event.created_at for event in events]
    _update(ids, _EVENTS.recorded_at.is_(None), recorded_at=func.now())
    after_commit(lambda: events_reached(Step.CONFIRMED, times))


def _put_back(ids: Collection[UUID], published_before: datetime) -> None:
    """Put events back into the outbox, unless another process has done so meanwhile."""
    count = _update(ids, _EVENTS.published_at < published_before, published_at=None)
    after_commit(lambda: events_put_back(count))


def _update(ids: Collection[UUID], condition: ColumnElement[bool], **values) -> int:
    """Set values of those of the events that meet the condition; return how many did."""
    if not ids:
        return 0
    statement = update(table(LoadEvent)).where(_EVENTS.id == any_(_IDS), condition)
    return execute(statement.values(values), {"ids": list(ids)}).rowcount
