"""Keeping the audit store's index up to date.

CouchDB indexes only when somebody reads, and the first reader after many writes would wait for all
of it.
"""

import logging
from threading import Event

from billor.audit.store import AuditStore, StoreUnavailable

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1


def keep_indexed(store: AuditStore, stop: Event) -> None:
    """Index what was stored every now and then until `stop` is set. Recording does not wait."""
    while not stop.wait(EVERY_SECONDS):
        try:
            store.index()
        except StoreUnavailable as error:
            # The consumer tells of outages; a long index is waited for again.
            logger.debug("Not indexed: %s", error)
