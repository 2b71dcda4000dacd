"""Keeps the audit store's index up to date.

CouchDB indexes only on reads, so the first reader after many writes would wait for all of it.
"""

import logging
from threading import Event

from billor.audit.store import AuditStore, StoreUnavailable

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1


def keep_indexed(store: AuditStore, stop: Event) -> None:
    """Update the index every second until `stop` is set. Does not delay recording."""
    while not stop.wait(EVERY_SECONDS):
        try:
            store.index()
        except StoreUnavailable as error:
            # The consumer reports outages; a slow index is waited for again.
            logger.debug("Not indexed: %s", error)
