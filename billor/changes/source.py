"""Where changes come from: the outbox, read by the transactions that a snapshot shows.

Neither ids nor times of events are in the order of commits. So a position in the outbox is a
snapshot of PostgreSQL: the transactions that had ended when it was taken. What is new since was
written by a transaction that the snapshot does not show. Nothing is missed, and nothing waits for
another transaction, however long that takes.
"""

from collections.abc import Sequence

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import Connection, Row, text

from billor.events.event import WORK_TYPES

# More at once are sent as `many`.
MAX_CHANGES = 200
# For how long a position may be resumed from. The older, the more has been written since.
POSITION_SECONDS = 600
CURRENT = text("SELECT CAST(pg_current_snapshot() AS text)")
# The order is the index's: so with the limit a look ends soon, however much is new, and PostgreSQL
# takes the index whatever it expects. Rows that were restored from another PostgreSQL may have
# transactions that this one has yet to begin.
CHANGES = text("""
    SELECT look.snapshot, look.is_ahead, change.*
    FROM (
        SELECT CAST(pg_current_snapshot() AS text) AS snapshot,
            pg_snapshot_xmax(:since ::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
            AS is_ahead
    ) AS look
    LEFT JOIN (
        SELECT id, type, driver_id, load_id, assignment_id, payload, created_at
        FROM load_events
        WHERE transaction_id >= pg_snapshot_xmin(:since ::pg_snapshot)
        AND transaction_id < pg_snapshot_xmax(pg_current_snapshot())
        AND NOT pg_visible_in_snapshot(transaction_id, :since ::pg_snapshot)
        AND type = ANY(:types)
        ORDER BY transaction_id
        LIMIT :limit
    ) AS change ON TRUE
    ORDER BY change.created_at, change.id
""")
_TYPES = [type_.value for type_ in WORK_TYPES]


def current_snapshot(connection: Connection) -> str:
    """Return the position after all that is committed."""
    return connection.execute(CURRENT).scalar_one()


def changes_since(snapshot: str, connection: Connection) -> tuple[str, Sequence[Row] | None]:
    """Return the position now, and the events committed since another; None if they are many."""
    values = {"since": snapshot, "types": _TYPES, "limit": MAX_CHANGES + 1}
    rows = connection.execute(CHANGES, values).all()
    first = rows[0]
    # A position is ahead if PostgreSQL has lost transactions, as a standby or a backup may have.
    if first.is_ahead or len(rows) > MAX_CHANGES:
        return first.snapshot, None
    return first.snapshot, [] if first.id is None else rows


def sign_position(snapshot: str) -> str:
    """Return the text by which a client may resume from a position."""
    return _serializer().dumps(snapshot)


def read_position(id_: str) -> str | None:
    """Return the position that a client has sent, or None if it is not ours or too old."""
    try:
        return _serializer().loads(id_, max_age=POSITION_SECONDS)
    except BadData:
        return None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["JWT_SECRET_KEY"], salt="changes")
