"""Dead letters: messages that could not be recorded. They are listed, and replayed after a fix."""

import hashlib
import json
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from billor.audit.store import StoreUnavailable, audit_store
from billor.database import execute, table, transaction
from billor.events.event import MalformedEvent, Message, read_event, to_document
from billor.events.outbox import lock_events
from billor.models import DeadLetter, db
from billor.observe.logs import printable

SHOWN_ID = 12  # characters of an id to show. `replay` takes any unambiguous prefix.


class NotReplayed(Exception):
    """A dead letter was not replayed. The message is one line with the reason."""


def keep(message: Message, reason: str) -> None:
    """Add a dead letter to the transaction, unless there is one of this message."""
    attributes = json.dumps(dict(message.attributes), sort_keys=True)
    row = {
        "id": hashlib.sha256(attributes.encode() + b"\n" + message.data).hexdigest(),
        "data": message.data,
        "attributes": attributes,
        "reason": printable(reason),
    }
    execute(insert(table(DeadLetter)).on_conflict_do_nothing(), row)


def describe() -> str:
    """Return a readable table of all dead letters, the oldest first."""
    letter = table(DeadLetter).c
    size = func.length(letter.data).label("size")
    rows = select(letter.id, letter.received_at, size, letter.reason, letter.attributes)
    letters = db.session.execute(rows.order_by(letter.received_at)).all()
    lines = [f"{'ID':<{SHOWN_ID}}  {'RECEIVED':<20}  {'BYTES':>9}  REASON"]
    for row in letters:
        lines += [
            f"{row.id[:SHOWN_ID]}  {row.received_at:%Y-%m-%dT%H:%M:%SZ}"
            f"  {row.size:>9}  {printable(row.reason)}",
            f"{'':<{SHOWN_ID}}  attributes: {printable(row.attributes)}",
        ]
    return "\n".join([*lines, f"{len(letters)} in all."]) if letters else "No dead letters."


def replay(id_start: str) -> str:
    """Record a dead letter as an audit document, and delete it; return the id of its event."""
    with transaction():
        is_meant = DeadLetter.id.startswith(id_start, autoescape=True)
        ids = db.session.scalars(select(DeadLetter.id).where(is_meant)).all()
        if len(ids) != 1:
            number = f"{len(ids)} ids start" if ids else "No dead letter's id starts"
            raise NotReplayed(f"{number} with {id_start}.")
        letter = db.session.get_one(DeadLetter, ids[0])
        try:
            event_id = UUID(read_event(letter.data)["_id"])
        except MalformedEvent as error:
            raise NotReplayed(f"It is still {error}.") from error
        event = lock_events([event_id]).get(event_id)
        if event is None:
            raise NotReplayed("It is still not an event of the outbox.")
        try:
            audit_store().save([to_document(event)])
        except StoreUnavailable as error:
            raise NotReplayed(f"The audit store is away: {printable(str(error))}") from error
        db.session.delete(letter)
    return str(event_id)
