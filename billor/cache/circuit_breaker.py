"""A circuit breaker: while a service is unavailable, calls to it fail immediately."""

import logging
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread

from billor.metrics import circuit_is

logger = logging.getLogger(__name__)

# Time between two attempts to recover.
PROBE_SECONDS = 0.5


class CircuitOpen(Exception):
    """The service was not called, or the call failed."""


class CircuitBreaker:
    """Opens on the first error of a call, and closes when `recover` succeeds.

    `recover` runs in a background thread, so only the requests that discover an outage wait.
    """

    def __init__(
        self,
        service: str,
        recover: Callable[[], None],
        error: type[Exception],
        refusal: Callable[[Exception], str | None],
    ):
        """Create a breaker with a closed circuit.

        `recover` makes the service usable again; while it raises `error`, the circuit stays
        open. `service` is its name in the log, and `refusal` returns what it says if it is there
        and refuses us, or None if it is away.
        """
        self._service = service
        self._recover = recover
        self._error = error
        self._refusal = refusal
        self._lock = Lock()
        self._closing = Lock()
        self._recover_again = False
        self.is_open = False
        circuit_is(service, is_open=False)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Call the service in the block. Raises `CircuitOpen`, from inside the block too."""
        if self.is_open:
            raise CircuitOpen
        try:
            yield
        except self._error as error:
            self._open(error)
            raise CircuitOpen from error

    def require_recovery(self) -> bool:
        """Require another run of `recover` before the circuit closes.

        Return False if the circuit is closed already.
        """
        with self._lock:
            self._recover_again = self.is_open
            return self.is_open

    def try_to_close(self) -> bool:
        """Recover and close the circuit if it is open; return whether it is closed now."""
        with self._closing:
            if not self.is_open:
                return True
            self._recover_again = False
            try:
                self._recover()
            except self._error:
                return False
            with self._lock:
                self.is_open = self._recover_again
                circuit_is(self._service, is_open=self.is_open)
            if not self.is_open:
                logger.info("%s is back", self._service)
            return not self.is_open

    def _open(self, error: Exception) -> None:
        with self._lock:
            if self.is_open:
                return
            self.is_open = True
            circuit_is(self._service, is_open=True)
        if refusal := self._refusal(error):
            logger.error("%s refuses, going on without it: %s", self._service, refusal)
        else:
            logger.warning("%s is away, going on without it: %s", self._service, error)
        Thread(target=_probe, args=[weakref.ref(self)], name="circuit-breaker", daemon=True).start()


def _probe(reference: "weakref.ref[CircuitBreaker]") -> None:
    """Try to close the circuit until it closes or the breaker is garbage-collected."""
    breaker: CircuitBreaker | None = None
    while True:
        del breaker
        time.sleep(PROBE_SECONDS)
        breaker = reference()
        if breaker is None or breaker.try_to_close():
            return
