"""Exponential backoff while a service is unavailable, with one log line per change of state."""

import logging
from threading import Event

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0
LONGEST_REASON = 300


class Outage:
    """The availability of one service, as seen by one thread."""

    def __init__(self, service: str, logger: logging.Logger):
        self._service = service
        self._logger = logger
        self._wait = 0.0

    @property
    def is_on(self) -> bool:
        return self._wait > 0

    def begin_or_go_on(self, error: Exception, stop: Event) -> None:
        """Log the start of an outage; wait before the next try, or until `stop` is set."""
        if not self.is_on:
            reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
            self._logger.warning("%s is away, waiting for it: %s", self._service, reason)
        self._wait = min(self._wait * 2 or FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        stop.wait(self._wait)

    def end(self) -> None:
        """End the outage: the service answered."""
        if self.is_on:
            self._logger.info("%s is back", self._service)
            self._wait = 0.0
