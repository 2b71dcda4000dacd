"""Backoff while a service is away, with one log line when that begins and one when it ends."""

import logging
from threading import Event

from billor.audit.store import StoreUnavailable
from billor.events.bus import BusUnavailable

MIN_WAIT_SECONDS = 0.2
MAX_WAIT_SECONDS = 10.0
MAX_REASON = 300
SERVICES = {BusUnavailable: "The event bus", StoreUnavailable: "The audit store"}

logger = logging.getLogger(__name__)


class Outage:
    """The service that one thread waits for, if any."""

    def __init__(self) -> None:
        self._service = ""
        self._seconds = 0.0

    def wait(self, error: Exception, stop: Event) -> None:
        """Wait before the next try, or until `stop` is set."""
        service = SERVICES.get(type(error), "PostgreSQL")
        if service != self._service:
            reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
            logger.warning("%s is away, waiting for it: %s", service, reason)
        self._service = service
        self._seconds = min(self._seconds * 2 or MIN_WAIT_SECONDS, MAX_WAIT_SECONDS)
        stop.wait(self._seconds)

    def end(self) -> None:
        if self._service:
            logger.info("%s is back", self._service)
        self._service, self._seconds = "", 0.0
