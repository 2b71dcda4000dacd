"""Where changes come from: the outbox, read by the transactions that a snapshot shows.

Neither ids nor times of events are in the order of commits. So a position in the outbox is a
snapshot of PostgreSQL: the transactions that had ended when it was taken. What is new since was
written by a transaction that the snapshot does not show. Nothing is missed, and nothing waits for
another transaction, however long that takes.
"""

from collections.abc import Sequence
from typing import NamedTuple

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import Connection, Row, text

from billor.events.event import WORK_TYPES

MOST_CHANGES = 200
"""More at once are told as `many`."""
POSITION_SECONDS = 600
"""For how long a position may be resumed from. The older, the more has been written since."""

# Which restore from a backup this database is of: positions from before it say nothing now.
_RESTORE = "(SELECT CAST(id AS text) FROM restores ORDER BY restored_at DESC LIMIT 1) AS restore"
CURRENT = text(f"SELECT CAST(pg_current_snapshot() AS text) AS snapshot, {_RESTORE}")
# The order is the index's: so with the limit a look ends soon, however much is new, and PostgreSQL
# takes the index whatever it expects. Transactions that it has yet to begin are in rows that were
# restored from elsewhere.
CHANGES = text(f"""
    SELECT look.snapshot, look.restore, look.is_ahead, change.*
    FROM (
        SELECT CAST(pg_current_snapshot() AS text) AS snapshot,
            pg_snapshot_xmax(:since ::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
            AS is_ahead, {_RESTORE}
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
""")  # noqa: S608 - of constants
_TYPES = [type_.value for type_ in WORK_TYPES]


class Position(NamedTuple):
    """A place in the outbox: a snapshot of PostgreSQL, and its signed text for clients."""

    snapshot: str
    restore: str | None
    """The restore that the database was of."""
    id: str


class Changes(NamedTuple):
    """What is new since a position."""

    position: Position
    """From which to go on."""
    rows: Sequence[Row]
    """Events, the oldest first; none if they are too many."""
    are_many: bool


def current_position(connection: Connection) -> Position:
    """Return the position after all that is committed."""
    return signed_position(*connection.execute(CURRENT).one())


def changes_since(position: Position, connection: Connection) -> Changes:
    """Return what was committed since a position."""
    values = {"since": position.snapshot, "types": _TYPES, "limit": MOST_CHANGES + 1}
    rows = connection.execute(CHANGES, values).all()
    # A position is ahead if PostgreSQL has lost transactions, as a standby may have.
    is_other = rows[0].is_ahead or rows[0].restore != position.restore
    are_many = is_other or len(rows) > MOST_CHANGES
    changes = [] if are_many or rows[0].id is None else rows
    return Changes(signed_position(rows[0].snapshot, rows[0].restore), changes, are_many)


def signed_position(snapshot: str, restore: str | None) -> Position:
    """Return the position of a snapshot that was taken just now."""
    return Position(snapshot, restore, _serializer().dumps([snapshot, restore]))


def read_position(id_: str) -> Position | None:
    """Return the position that a client has sent, or None if it is not ours or too old."""
    try:
        snapshot, restore = _serializer().loads(id_, max_age=POSITION_SECONDS)
    except BadData:
        return None
    return Position(snapshot, restore, id_)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["JWT_SECRET_KEY"], salt="changes-2")
