"""What the worker tidies up in PostgreSQL, now and then."""

import logging
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from billor.auth.sessions import delete_expired_sessions
from billor.database import DELETE_BATCH_SIZE
from billor.errors import Unavailable
from billor.http.idempotency import delete_expired_keys
from billor.worker.notifications import delete_old_marks

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60


def run_maintenance(stop: Event) -> None:
    """Delete expired idempotency keys and sessions, and old marks, until `stop` is set.

    Needs an application context.
    """
    while not stop.is_set():
        try:
            for do_batch in (
                delete_expired_keys,
                delete_expired_sessions,
                delete_old_marks,
            ):
                while not stop.is_set() and do_batch() == DELETE_BATCH_SIZE:
                    pass
        except (Unavailable, SQLAlchemyError) as error:
            # The relay tells of outages; this can wait.
            logger.debug("Not tidied up: %s", error)
        stop.wait(EVERY_SECONDS)
