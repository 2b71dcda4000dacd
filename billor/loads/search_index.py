"""Loads that wait for long get into the index of a search."""

from sqlalchemy import select, update

from billor.database import DELETE_BATCH_SIZE, execute_bulk, transaction
from billor.models import Load, LoadStatus

MOST_NOT_INDEXED = 5000
"""So many waiting loads a search may look at one by one."""


def index_waiting_loads() -> int:
    """Put the oldest waiting loads into the index, if there are many that are not; return how many.

    Not when they are created: an import would take a third longer.
    """
    not_indexed = (
        select(Load.id).where(Load.status == LoadStatus.OPEN, ~Load.is_indexed).order_by(Load.id)
    )
    newest = not_indexed.order_by(None).order_by(Load.id.desc())
    last = newest.offset(MOST_NOT_INDEXED).limit(1).scalar_subquery()
    batch = not_indexed.where(Load.id <= last).limit(DELETE_BATCH_SIZE)
    with transaction():
        return execute_bulk(
            update(Load)
            .where(Load.id.in_(batch.with_for_update(skip_locked=True).scalar_subquery()))
            .values(is_indexed=True, updated_at=Load.updated_at)  # nothing that anybody sees
        )
