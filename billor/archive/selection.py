"""What may be archived: what was settled before a time, and is in the audit trail.

Loads are looked at together with all of their events: those of a load that is not closed stay.
A CANCELLED load may become OPEN again, so its assignments stay, too: figures count with them.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Row,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    select,
    text,
)

from billor.database import execute, table
from billor.models import (
    SEPARATOR,
    Assignment,
    AssignmentStatus,
    Load,
    LoadEvent,
    LoadStatus,
    joined,
)

BATCH_LOADS = 200
BATCH_EVENTS = 1000
CLOSED = (LoadStatus.COMPLETED, LoadStatus.CANCELLED)

_events, _assignments = table(LoadEvent), table(Assignment)
_IDS = bindparam("ids", type_=ARRAY(BigInteger))

# From one load with events to the next, by their index: those that have none any more cost nothing.
NEXT_LOADS = text("""
    WITH RECURSIVE with_events (id) AS (
        SELECT min(load_id) FROM load_events WHERE load_id > :after
        UNION ALL
        SELECT (SELECT min(load_id) FROM load_events WHERE load_id > with_events.id)
        FROM with_events WHERE with_events.id < :last
    )
    SELECT id FROM with_events WHERE id <= :last LIMIT :limit
""")
EVENTS_OF_NO_LOAD = (
    select(_events)
    .where(
        _events.c.load_id.is_(None),
        _events.c.recorded_at.is_not(None),
        _events.c.created_at < bindparam("before"),
    )
    .order_by(_events.c.created_at)
    .limit(BATCH_EVENTS)
    .with_for_update(skip_locked=True)
)
# Nobody makes one of them OPEN again until they are archived.
SETTLED_LOADS = (
    select(Load.id, Load.status)
    .where(
        Load.id == any_(_IDS),
        Load.status.in_(CLOSED),
        Load.updated_at < bindparam("before"),
        ~exists().where(LoadEvent.load_id == Load.id, LoadEvent.recorded_at.is_(None)),
    )
    .order_by(Load.id)
    .with_for_update(skip_locked=True, key_share=True)
)
EVENTS_OF_LOADS = select(_events).where(_events.c.load_id == any_(_IDS))
# By the index of both, which has no other form.
CLOSED_ASSIGNMENTS = select(_assignments).where(
    joined([cast(_assignments.c.load_id, Text), _assignments.c.status])
    == any_(bindparam("keys", type_=ARRAY(Text)))
)
DELETE_EVENTS = delete(_events).where(_events.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
DELETE_ASSIGNMENTS = delete(_assignments).where(_assignments.c.id == any_(_IDS))


def last_load_before(before: datetime) -> int:
    """Return the id of the newest load that was created before a time; 0 if there is none.

    Loads have ids in the order of their creation, nearly: those beyond it are a later run's.
    """
    newest = select(Load.id).where(Load.created_at < before).order_by(Load.created_at.desc())
    return max(
        execute(newest.where(Load.status == status).limit(1)).scalar() or 0 for status in CLOSED
    )


def next_loads(after: int, last: int) -> Sequence[int]:
    """Return the ids of the next loads that have events, `BATCH_LOADS` at most."""
    values = {"after": after, "last": last, "limit": BATCH_LOADS}
    return execute(NEXT_LOADS, values).scalars().all()


def settled_of_loads(
    load_ids: Sequence[int], before: datetime
) -> tuple[Sequence[Row], Sequence[Row]]:
    """Lock those of the loads that may be archived; return their events and closed assignments."""
    loads = execute(SETTLED_LOADS, {"ids": load_ids, "before": before}).all()
    if not loads:
        return [], []
    # Statements of their own: what another process has archived before the lock is gone for them.
    completed = [load.id for load in loads if load.status == LoadStatus.COMPLETED]
    return (
        execute(EVENTS_OF_LOADS, {"ids": [load.id for load in loads]}).all(),
        execute(CLOSED_ASSIGNMENTS, {"keys": _closed_keys(completed)}).all(),
    )


def _closed_keys(load_ids: Sequence[int]) -> list[str]:
    closed = (AssignmentStatus.COMPLETED, AssignmentStatus.CANCELLED)
    return [f"{id_}{SEPARATOR}{status}" for id_ in load_ids for status in closed]


def settled_of_no_load(before: datetime) -> Sequence[Row]:
    """Lock the oldest events of drivers and accounts that may be archived, and return them."""
    return execute(EVENTS_OF_NO_LOAD, {"before": before}).all()


def delete_rows(events: Sequence[Row], assignments: Sequence[Row]) -> None:
    """Delete rows of a batch."""
    execute(DELETE_EVENTS, {"ids": [event.id for event in events]})
    execute(DELETE_ASSIGNMENTS, {"ids": [assignment.id for assignment in assignments]})
