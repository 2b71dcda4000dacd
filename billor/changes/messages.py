"""The text of a stream: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import json
from typing import Any

from sqlalchemy import Row

from billor.changes.source import Changes, Position
from billor.http.fields import wire_time

CONTENT_TYPE = "text/event-stream"
RETRY_MILLISECONDS = 1000
HEARTBEAT = b":\n\n"


def first_message(position: Position, *, is_resumed: bool) -> bytes:
    """Return what every stream begins with."""
    ready = _message("ready", {"resumed": is_resumed}, position.id)
    return f"retry: {RETRY_MILLISECONDS}\n\n".encode() + ready


def many_message(position: Position) -> bytes:
    """Tell that more has changed than is told one by one."""
    return _message("many", {}, position.id)


def end_message(code: str) -> bytes:
    """Tell why the stream ends."""
    return _message("end", {"code": code})


def change_messages(changes: Changes, since: Position) -> bytes:
    """Tell of changes since a position, one by one.

    Only the last carries the new position: whoever gets a part gets all of them again.
    """
    ids = [since.id] * (len(changes.rows) - 1) + [changes.position.id]
    return b"".join(
        _message("change", _shown(row), id_) for row, id_ in zip(changes.rows, ids, strict=True)
    )


def _message(event: str, data: Any, id_: str | None = None) -> bytes:
    head = "" if id_ is None else f"id: {id_}\n"
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n".encode()


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "type": row.type,
        "driverId": row.driver_id,
        "loadId": row.load_id,
        "assignmentId": row.assignment_id,
        "payload": row.payload,
        "timestamp": wire_time(row.created_at),
    }
