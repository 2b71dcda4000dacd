"""Reads changes from the outbox, in the order of commits.

Neither ids nor times of events are in that order. So a position is a snapshot of PostgreSQL: it
knows which transactions had ended. Events of all other transactions are new. Nothing is missed, and
nothing waits for a long transaction.
"""

from collections.abc import Sequence

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import Connection, Row, text

from billor.events.event import WORK_TYPES

MAX_CHANGES = 200  # if more are committed at once, clients get `many` instead
POSITION_SECONDS = 600
CURRENT = text("SELECT CAST(pg_current_snapshot() AS text)")
# Ordered like the index, so that PostgreSQL uses it and stops at the limit. The upper bound leaves
# out rows restored from another PostgreSQL, with transaction ids that this one has not reached.
CHANGES = text("""
    SELECT now.snapshot, now.is_ahead, change.*
    FROM (
        SELECT CAST(pg_current_snapshot() AS text) AS snapshot,
            pg_snapshot_xmax(:since ::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
            AS is_ahead
    ) AS now
    LEFT JOIN (
        SELECT id, type, driver_id, load_id, assignment_id, payload, created_at,
            request_id, traceparent
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


def current_position(connection: Connection) -> str:
    """Return the position after everything that is committed."""
    return sign_position(connection.execute(CURRENT).scalar_one())


def changes_since(position: str, connection: Connection) -> tuple[str, Sequence[Row] | None]:
    """Return the current position, and the events since another one, or None if unknown or many."""
    try:
        snapshot = _serializer().loads(position, max_age=POSITION_SECONDS)
    except BadData:
        return current_position(connection), None
    values = {"since": snapshot, "types": _TYPES, "limit": MAX_CHANGES + 1}
    rows = connection.execute(CHANGES, values).all()
    first = rows[0]
    here = sign_position(first.snapshot)
    # A position is ahead if PostgreSQL lost transactions, as after a failover or a restore.
    if first.is_ahead or len(rows) > MAX_CHANGES:
        return here, None
    return here, [] if first.id is None else rows


def sign_position(snapshot: str) -> str:
    """Return the id of a position, which clients send back to resume."""
    return _serializer().dumps(snapshot)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["JWT_SECRET_KEY"], salt="changes")
