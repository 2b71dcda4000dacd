"""Dead letters: listing them, and replaying one after a fix."""

import json

from billor.audit.store import AuditStore, BuriedLetter
from billor.events.event import MalformedEvent, to_audit_document
from billor.logs import printable

# Characters of an id to show. `replay` takes any unambiguous prefix.
SHOWN_ID = 12


class NotReplayed(Exception):
    """A dead letter was not replayed. The message is one line that says why."""


def describe(letters: list[BuriedLetter]) -> str:
    """Return a table of dead letters, for a person."""
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

    Raises `NotReplayed`, `StoreUnavailable`.
    """
    letter_id = _only_id(store, id_start)
    try:
        document = to_audit_document(store.dead_letter_data(letter_id))
    except MalformedEvent as error:
        raise NotReplayed(f"It is still {error}.") from error
    for refusal in store.save([document]).refused:
        raise NotReplayed(f"The audit store still refuses it: {printable(refusal.reason)}.")
    store.remove_dead_letter(letter_id)
    return document["_id"]


def _only_id(store: AuditStore, start: str) -> str:
    found = [letter.id for letter in store.dead_letters() if letter.id.startswith(start)]
    if len(found) != 1:
        number = "No dead letter's id starts" if not found else f"{len(found)} ids start"
        raise NotReplayed(f"{number} with {start}.")
    return found[0]
