"""Dead letters: listing them, and replaying one after a fix."""

import json
from uuid import UUID

from billor.audit.store import AuditStore, StoredLetter
from billor.database import transaction
from billor.events.event import MalformedEvent, read_event, to_document
from billor.events.outbox import lock_events
from billor.observe.logs import printable

# Characters of an id to show. `replay` takes any unambiguous prefix.
SHOWN_ID = 12


class NotReplayed(Exception):
    """A dead letter was not replayed. The message is one line with the reason."""


def describe(letters: list[StoredLetter]) -> str:
    """Return a readable table of dead letters."""
    lines = [f"{'ID':<{SHOWN_ID}}  {'RECEIVED':<20}  {'BYTES':>9}  REASON"]
    for letter in letters:
        lines += [
            f"{letter.id[:SHOWN_ID]}  {letter.received_at:%Y-%m-%dT%H:%M:%SZ}"
            f"  {letter.size:>9}  {printable(letter.reason)}",
            f"{'':<{SHOWN_ID}}  attributes: {printable(json.dumps(letter.attributes))}",
        ]
    return "\n".join([*lines, f"{len(letters)} in all."]) if letters else "No dead letters."


def replay(store: AuditStore, id_start: str) -> str:
    """Record a dead letter as an audit document, and delete it; return the id of its event.

    Raises `NotReplayed`, `StoreUnavailable`, `Unavailable`.
    """
    letter_id = _only_id(store, id_start)
    try:
        event_id = UUID(read_event(store.dead_letter_data(letter_id))["_id"])
    except MalformedEvent as error:
        raise NotReplayed(f"It is still {error}.") from error
    with transaction():
        event = lock_events([event_id]).get(event_id)
    if event is None:
        raise NotReplayed("It is still not an event of the outbox.")
    store.save([to_document(event)])
    store.remove_dead_letter(letter_id)
    return str(event_id)


def _only_id(store: AuditStore, start: str) -> str:
    found = [letter.id for letter in store.dead_letters() if letter.id.startswith(start)]
    if len(found) != 1:
        number = "No dead letter's id starts" if not found else f"{len(found)} ids start"
        raise NotReplayed(f"{number} with {start}.")
    return found[0]
