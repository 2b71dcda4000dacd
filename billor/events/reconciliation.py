"""Putting back into the outbox what was published but never recorded.

Needed when the subscription is new: the emulator forgets everything when it restarts, and somebody
may have deleted a subscription. What it still held is gone, though the outbox says "published".
"""

import logging
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_, update

from billor.audit.store import AuditStore
from billor.database import transaction
from billor.extensions import db
from billor.models import LoadEvent

logger = logging.getLogger(__name__)

BATCH_SIZE = 1000


def return_unrecorded(store: AuditStore) -> int:
    """Mark every published event without an audit document as unpublished; return how many.

    Raises `StoreUnavailable`, `Unavailable`. What was done before that stays done.
    """
    _wait_for_relays()
    returned = 0
    after: tuple[datetime, UUID] | None = None
    while batch := _published_events(after):
        after = batch[-1]
        missing = store.missing([str(id_) for _, id_ in batch])
        if missing:
            with transaction():
                db.session.execute(
                    update(LoadEvent)
                    .where(LoadEvent.id.in_(missing))
                    .values(published_at=None)
                    .execution_options(synchronize_session=False)
                )
            returned += len(missing)
    if returned:
        logger.warning("%d published events were never recorded; publishing them again", returned)
    return returned


def _wait_for_relays() -> None:
    """Wait for what relays have published but not marked yet: they hold its rows' locks."""
    unpublished = select(LoadEvent.id).where(LoadEvent.published_at.is_(None))
    with transaction():
        db.session.execute(
            select(func.count()).select_from(unpublished.with_for_update(key_share=True).subquery())
        )


def _published_events(
    after: tuple[datetime, UUID] | None,
) -> list[tuple[datetime, UUID]]:
    query = select(LoadEvent.created_at, LoadEvent.id).where(LoadEvent.published_at.is_not(None))
    position = tuple_(LoadEvent.created_at, LoadEvent.id)
    if after is not None:
        query = query.where(position > after)
    with transaction():
        rows = db.session.execute(query.order_by(position).limit(BATCH_SIZE)).all()
    return [(created_at, id_) for created_at, id_ in rows]
