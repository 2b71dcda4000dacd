"""Putting back into the outbox what was published but never recorded.

Needed when the subscription is new: the emulator forgets everything when it restarts, and somebody
may have deleted a subscription. What it still held is gone, though the outbox says "published".
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update

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
    after: UUID | None = None
    while ids := _published_ids(after):
        after = ids[-1]
        missing = store.missing([str(id_) for id_ in ids])
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


def _published_ids(after: UUID | None) -> Sequence[UUID]:
    query = select(LoadEvent.id).where(LoadEvent.published_at.is_not(None))
    if after is not None:
        query = query.where(LoadEvent.id > after)
    with transaction():
        return db.session.scalars(query.order_by(LoadEvent.id).limit(BATCH_SIZE)).all()
