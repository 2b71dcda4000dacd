"""Promise 4: poison messages hold up nothing.

What is no event of the outbox, or cannot be stored, becomes a dead letter with its bytes, its
attributes and the reason. Other events flow, and after a fix a dead letter is replayed.
"""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from google.cloud import pubsub_v1
from sqlalchemy import select
from uuid_utils.compat import uuid7

from billor.audit.store import AuditFilter
from billor.database import transaction
from billor.events.event import Message, to_document, to_message
from billor.loads.service import create_loads
from billor.models import DeadLetter, LoadEvent, db
from billor.worker.dead_letters import keep
from tests.support.bus import event_message
from tests.support.system import CONVERGE_SECONDS, System
from tests.support.worker import WAIT_SECONDS, wait_until

LARGEST_DOCUMENT = 500_000
HUGE = b'{"id": "' + b"\xff" * 9_900_000
ATTRIBUTES = {"type": "load.assigned", "origin": "elsewhere \x1b[2J ü", "empty": ""}


def raw(data: bytes) -> Message:
    return Message(data, ATTRIBUTES)


FORGED = {
    "no UTF-8": raw(b"\xff\xfe\x00\x01"),
    "no attributes": Message(b"{}", {}),
    "10 MB": raw(HUGE),
    "an event that nobody committed": event_message(),
}


@pytest.fixture
def publish(system: System, monkeypatch) -> Iterator[Callable[[Message], None]]:
    """Publish any message to our topic, as another publisher."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", system.settings["PUBSUB_EMULATOR_HOST"])
    publisher = pubsub_v1.PublisherClient()
    topic = publisher.topic_path(
        system.settings["PUBSUB_PROJECT_ID"], system.settings["PUBSUB_TOPIC"]
    )

    def publish(message: Message) -> None:
        publisher.publish(topic, message.data, **message.attributes).result(WAIT_SECONDS)

    yield publish
    publisher.stop()
    publisher.transport.close()


def letters(system: System) -> dict[tuple, str]:
    """The messages that became dead letters, each with its reason."""
    letters = system.dead_letters().values()
    found = {
        (letter.data, tuple(sorted(json.loads(letter.attributes).items()))): letter.reason
        for letter in letters
    }
    assert len(found) == len(letters), "a message has two dead letters"
    return found


def key(message: Message) -> tuple:
    return message.data, tuple(sorted(message.attributes.items()))


@pytest.mark.slow
def test_poison_messages_become_dead_letters_while_other_events_flow(system, publish):
    api = system.start_api()
    worker = system.start_worker()
    client = api.client
    first = client.make_load()
    wait_until(system.recorded)

    # Events of ours that the store refuses: one alone, and one with its batch.
    system.couch.max_document_size = LARGEST_DOCUMENT
    refused = ["Not on Sundays.", "document_too_large"]
    with system.app.app_context():
        poison = [LoadEvent(id=uuid7(), type="load.updated", payload={}) for _ in refused]
        poison[1].payload = {"text": "x" * LARGEST_DOCUMENT}
        system.couch.forbid(str(poison[0].id))
        ids = [str(event.id) for event in poison]
        db.session.add_all(poison)
        db.session.commit()
    for number, message in enumerate(FORGED.values()):
        publish(message)
        client.patch(f"/loads/{first['id']}", {"origin": f"Town {number}"})

    def only_poison_is_missing() -> bool:
        client.patch(f"/loads/{first['id']}", {"origin": f"Village {time.monotonic()}"})
        return set(system.committed()) - set(system.recorded()) <= set(ids) and (
            len(system.dead_letters()) >= len(FORGED) + len(refused)
        )

    wait_until(only_poison_is_missing, CONVERGE_SECONDS)
    found = letters(system)
    assert {key(message) for message in FORGED.values()} < set(found)
    for id_, reason in zip(ids, refused, strict=True):
        (told,) = [told for (data, _), told in found.items() if id_.encode() in data]
        assert reason in told
    assert not worker.has_ended
    wait_until(lambda: client.get("/readyz").body["lag"]["unrecorded"]["count"] == 0)

    # A replay after a fix records the event.
    (letter,) = [id_ for id_, each in system.dead_letters().items() if "Sundays" in each.reason]
    system.couch.allow(ids[0])
    command = system.app.test_cli_runner().invoke(args=["dead-letters", "--replay", letter])
    told = f"Event {ids[0]} is in the audit trail now.\n"
    assert (command.exit_code, command.output) == (0, told)
    assert system.recorded()[ids[0]] == system.committed()[ids[0]]
    assert len(system.dead_letters()) == len(found) - 1
    assert system.couch.surprises == []


class DeadLetters:
    """The command."""

    def __init__(self, app: Flask):
        self._app = app

    def ids(self) -> set[str]:
        with self._app.app_context():
            return set(db.session.scalars(select(DeadLetter.id)))

    def keep(self, data: bytes, reason: str = "not JSON", **attributes: str) -> str:
        """Make a dead letter twice; return its id."""
        before = self.ids()
        for _ in range(2):
            with self._app.app_context(), transaction():
                keep(Message(data, attributes), reason)
        (id_,) = self.ids() - before
        return id_

    def run(self, *arguments: str, status: int = 0) -> str:
        """What was printed, as an error if it fails."""
        done = self._app.test_cli_runner().invoke(args=["dead-letters", *arguments])
        assert done.exit_code == status, done.output
        assert (done.stderr if status == 0 else done.stdout) == ""
        return done.output


@pytest.fixture
def dead_letters(app) -> DeadLetters:
    return DeadLetters(app)


def test_dead_letters_are_listed_and_replayed_after_a_fix(app, dead_letters):
    assert dead_letters.run() == "No dead letters.\n"
    with app.app_context():
        create_loads([{"origin": "Dallas, TX", "destination": "Reno, NV", "cargo_type": "Steel"}])
        event = db.session.scalars(select(LoadEvent)).one()
        message, document = to_message(event), to_document(event)
    bad = dead_letters.keep(b"\xff" * 1234, "not JSON: at byte 0", origin="elsewhere")
    unknown = dead_letters.keep(event_message().data)
    fixed = dead_letters.keep(message.data, "forbidden", **message.attributes)
    again = dead_letters.keep(message.data, "forbidden", other="attributes")
    heading, *lines, last = dead_letters.run().splitlines()
    assert heading.split() == ["ID", "RECEIVED", "BYTES", "REASON"]
    assert (len(lines), last) == (8, "4 in all.")
    (line,) = [line for line in lines if line.startswith(bad[:12])]
    assert line.split(maxsplit=3)[2:] == ["1234", "not JSON: at byte 0"]
    assert '"origin": "elsewhere"' in lines[lines.index(line) + 1]

    assert "still" in dead_letters.run("--replay", bad, status=1)
    assert "outbox" in dead_letters.run("--replay", unknown, status=1)
    # The shown prefix of an id is enough. The event may have been recorded meanwhile.
    for id_ in (fixed, again):
        told = f"Event {document['_id']} is in the audit trail now.\n"
        assert dead_letters.run("--replay", id_[:12]) == told
    assert dead_letters.run("--replay", fixed, status=1).startswith("Error: No dead letter")
    assert "2 ids start with" in dead_letters.run("--replay", "", status=1)
    assert app.extensions["audit_store"].find(AuditFilter(), 9).documents == [document]
    assert dead_letters.ids() == {bad, unknown}


EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\x00\x7f\x9b31m\u202e\u2028"


def test_control_characters_are_escaped_in_the_terminal_and_the_log(app, dead_letters, caplog):
    dead_letters.keep(b"{}", f"forbidden: {EVIL}", **{EVIL: EVIL})
    output = dead_letters.run()
    assert len(output.splitlines()) == 4
    assert {character for character in output if not character.isprintable()} <= {"\n"}
