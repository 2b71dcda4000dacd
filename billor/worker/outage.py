"""Repeats work through outages, with a backoff and one log line per outage."""

import logging
from collections.abc import Callable
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from billor.audit.store import StoreUnavailable
from billor.errors import Unavailable
from billor.events.bus import BusUnavailable

MIN_WAIT_SECONDS = 0.2
MAX_WAIT_SECONDS = 10.0
MAX_REASON = 300
SERVICES = {BusUnavailable: "The event bus", StoreUnavailable: "The audit store"}
AWAY: tuple[type[Exception], ...] = (*SERVICES, Unavailable, SQLAlchemyError)

logger = logging.getLogger(__name__)


def run_with_backoff(
    step: Callable[[], int],
    stop: Event,
    idle_seconds: float = 0,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Repeat a step until `stop`; prepare first, and after failures. After 0 it idles.

    Needs an application context.
    """
    is_prepared, away, seconds = False, "", 0.0
    while not stop.is_set():
        try:
            if not is_prepared:
                prepare()
            is_prepared = True
            count = step()
        except AWAY as error:
            service = SERVICES.get(type(error), "PostgreSQL")
            if service != away:
                reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
                logger.warning("%s is away, waiting for it: %s", service, reason)
            is_prepared, away = False, service
            seconds = min(seconds * 2 or MIN_WAIT_SECONDS, MAX_WAIT_SECONDS)
            stop.wait(seconds)
            continue
        if away:
            logger.info("%s is back", away)
        away, seconds = "", 0.0
        if not count:
            stop.wait(idle_seconds)
