"""What the worker tidies up in PostgreSQL, now and then."""

import logging
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from billor.errors import Unavailable
from billor.idempotency import FORGOTTEN_AT_ONCE, forget_expired_keys

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60


def keep_house(stop: Event) -> None:
    """Forget expired idempotency keys until `stop` is set. Needs an application context."""
    while not stop.is_set():
        try:
            while forget_expired_keys() == FORGOTTEN_AT_ONCE and not stop.is_set():
                pass
        except (Unavailable, SQLAlchemyError) as error:
            # The relay tells of outages; this can wait.
            logger.debug("Not tidied up: %s", error)
        stop.wait(EVERY_SECONDS)
