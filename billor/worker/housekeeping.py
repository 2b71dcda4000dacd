"""What the worker tidies up in PostgreSQL, now and then."""

import logging
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from billor.errors import Unavailable
from billor.http.idempotency import FORGOTTEN_AT_ONCE, forget_expired_keys
from billor.worker.notifications import forget_notifications

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60


def keep_house(stop: Event) -> None:
    """Delete expired idempotency keys and old marks of notifications until `stop` is set.

    Needs an application context.
    """
    while not stop.is_set():
        try:
            for forget in (forget_expired_keys, forget_notifications):
                while not stop.is_set() and forget() == FORGOTTEN_AT_ONCE:
                    pass
        except (Unavailable, SQLAlchemyError) as error:
            # The relay tells of outages; this can wait.
            logger.debug("Not tidied up: %s", error)
        stop.wait(EVERY_SECONDS)
