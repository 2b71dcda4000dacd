"""Periodic work: republishing lost events, warning of papers, deleting what has expired."""

import logging
import time
from datetime import datetime
from threading import Event

from flask import current_app
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from billor.database import execute, table, transaction
from billor.drivers.service import warn_of_papers
from billor.errors import Unavailable
from billor.events.bus import Bus, BusUnavailable
from billor.events.outbox import MAX_REPUBLISHED, last_unrecorded, publish_unrecorded
from billor.models import IdempotencyKey, LoginAttempts, Session, WebhookDelivery
from billor.observe.metrics import REPUBLICATIONS
from billor.worker.consumer import Consumer
from billor.worker.relay import prepare

logger = logging.getLogger(__name__)

EVERY_SECONDS = 20
LOST_SECONDS = 300
DELETE_BATCH_SIZE = 1000
SWEEP_SECONDS = 3600


def run_upkeep(bus: Bus, consumer: Consumer | None, stop: Event) -> None:
    """Do all upkeep until `stop` is set. Needs an application context."""
    reconciler = Reconciler(bus, consumer) if consumer else None
    next_sweep = 0.0
    while not stop.wait(EVERY_SECONDS):
        try:
            if reconciler:
                reconciler.publish_lost_events()
            delete_expired_rows(stop)
            warn_of_papers()
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + SWEEP_SECONDS
                current_app.extensions["documents"].sweep(stop)
        except (Unavailable, SQLAlchemyError, BusUnavailable) as error:
            logger.debug("Upkeep postponed: %s", error)  # relay and consumer report outages


def delete_expired_rows(stop: Event) -> None:
    """Delete expired keys, sessions, counters and deliveries, in short transactions."""
    for rows in map(table, (IdempotencyKey, Session, LoginAttempts, WebhookDelivery)):
        key = tuple_(*rows.primary_key)
        expired = select(*rows.primary_key).where(rows.c.expires_at < func.now())
        batch = expired.limit(DELETE_BATCH_SIZE).with_for_update(skip_locked=True).cte()
        count = DELETE_BATCH_SIZE
        while not stop.is_set() and count == DELETE_BATCH_SIZE:
            with transaction():
                count = execute(delete(rows).where(key.in_(select(batch)))).rowcount


class Reconciler:
    """Republishes what the bus has lost: unrecorded for five minutes, with a consumer in time.

    The monotonic clock measures them, because PostgreSQL's clock may be changed.
    """

    def __init__(self, bus: Bus, consumer: Consumer):
        self._bus = bus
        self._consumer = consumer
        self._since = 0.0
        self._until: datetime | None = None
        """Events published by then are watched, `_since` a time of the monotonic clock."""

    def publish_lost_events(self) -> int:
        """Republish the oldest lost events; return how many."""
        now = time.monotonic()
        if self._until is None or self._consumer.behind_at > self._since:
            self._since, self._until = now, last_unrecorded()
        if self._until is None or now - self._since < LOST_SECONDS:
            return 0
        count = publish_unrecorded(self._until)
        if count:
            logger.warning("Republishing %d events that were never recorded", count)
            REPUBLICATIONS.inc(count)
            prepare(self._bus)  # the subscription may belong to a deleted topic
        if count < MAX_REPUBLISHED:
            self._until = None
        return count
