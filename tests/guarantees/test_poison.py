"""Guarantee 4: poison messages never block.

A malformed event, or one that cannot be stored, becomes a dead letter with its bytes, its
attributes and the reason. Other events flow, and after a fix a dead letter is replayed.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.cloud import pubsub_v1

from billor import create_app
from billor.audit.connect import connect_store
from billor.audit.store import AuditFilter, DeadLetter
from billor.config import load_config
from billor.events.event import Message, to_audit_document
from tests.support.apps import dead_address
from tests.support.bus import event_body, event_message
from tests.support.couchdb_server import Fault
from tests.support.system import CONVERGE_SECONDS, System
from tests.support.worker import WAIT_SECONDS, wait_until

LARGEST_DOCUMENT = 500_000
HUGE = b'{"id": "' + b"\xff" * 9_900_000
ATTRIBUTES = {"type": "load.assigned", "origin": "elsewhere \x1b[2J ü", "empty": ""}
BURIED = "Dead letter, number"


def raw(data: bytes) -> Message:
    return Message(data, ATTRIBUTES)


def with_fields(**changes) -> Message:
    return raw(json.dumps(event_body(**changes)).encode())


NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
MALFORMED = {
    "nothing": (Message(b"", ATTRIBUTES), "not JSON"),
    "half of JSON": (raw(b'{"id": "'), "not JSON"),
    "no UTF-8": (raw(b"\xff\xfe\x00\x01"), "not JSON"),
    "not a number": (raw(b'{"id": NaN}'), "not JSON"),
    "another JSON": (raw(b"[1, 2, 3]"), "not an event"),
    "no attributes": (Message(b"{}", {}), "not an event"),
    "unknown type": (with_fields(type="load.eaten"), "type"),
    "an audit type": (with_fields(type="ASSIGNED"), "type"),
    "wrong schema": (with_fields(loadId="seven"), "loadId"),
    "an unknown field": (with_fields(surprise=True), "surprise"),
    "no such time in UTC": (with_fields(timestamp="9999-12-31T23:59:59-12:00"), "timestamp"),
    "nested deeply": (raw(NESTED), "not JSON"),
    "nested too deeply": (
        with_fields(payload=json.loads('{"a":' * 150 + "1" + "}" * 150)),
        "levels deep",
    ),
    "10 MB": (raw(HUGE), "bytes are too many"),
    "an integer that no double holds": (with_fields(payload={"n": 10**400}), "range of a double"),
    "a float that no double holds": (
        raw(with_fields(payload={"n": 7}).data.replace(b"7}", b"1e400}")),
        "not JSON",
    ),
    "an id that no view finds": (with_fields(loadId=2**53), "loadId"),
    "an assignment of nothing to nobody": (with_fields(type="load.assigned"), "to tell of"),
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
    """The messages in the dead-letter store, each with its reason."""
    name = f"{system.app.config['BILLOR'].couchdb_database}-dead-letters"
    attachments = system.couch.databases[name].attachments
    buried = system.dead_letters()
    found = {
        (attachments[id_, "message"], tuple(sorted(letter["attributes"].items()))): letter["reason"]
        for id_, letter in buried.items()
    }
    assert len(found) == len(buried), "a message is buried twice"
    return found


def key(message: Message) -> tuple:
    return message.data, tuple(sorted(message.attributes.items()))


@pytest.mark.slow
def test_poison_messages_become_dead_letters_while_other_events_flow(system, publish):
    api = system.start_api()
    worker = system.start_worker()

    def settle() -> None:
        """Wait until the audit trail holds exactly what the API committed."""
        committed = system.committed()
        wait_until(lambda: set(committed) <= set(system.recorded()))
        assert system.recorded() == committed

    first = api.client.make_load()
    settle()

    # Well-formed events that the store refuses: a taken id, forbidden, too large, and one that
    # fails every batch it is in.
    taken = with_fields(id=next(iter(system.recorded())))
    forbidden, too_large = event_message(), with_fields(payload={"text": "x" * LARGEST_DOCUMENT})
    system.couch.forbid(json.loads(forbidden.data)["id"])
    fatal = event_message()
    system.couch.throw_on(json.loads(fatal.data)["id"])
    system.couch.max_document_size = LARGEST_DOCUMENT
    poison = MALFORMED | {
        "an id that is taken": (taken, "another document has this id"),
        "forbidden": (forbidden, "forbidden: Not on Sundays."),
        "too large for CouchDB": (too_large, "too_large"),
        "the end of a validation function": (fatal, "TypeError"),
    }
    for number, (message, _) in enumerate(poison.values()):
        publish(message)
        api.client.patch(f"/loads/{first['id']}", {"origin": f"Town {number}"})
    settle()
    wait_until(lambda: len(system.dead_letters()) >= len(poison), CONVERGE_SECONDS)
    assert len(system.committed()) == len(poison) + 1

    found = letters(system)
    assert set(found) == {key(message) for message, _ in poison.values()}
    for kind, (message, reason) in poison.items():
        assert reason in found[key(message)], kind

    # Each was counted and acked: none is redelivered unless it is published again.
    def buried() -> int:
        return worker.output.count(BURIED)

    wait_until(lambda: buried() >= len(poison))
    counted = buried()
    publish(poison["half of JSON"][0])
    wait_until(lambda: buried() > counted)
    counted = buried()
    assert f"{BURIED} {counted} since the start: " in worker.output
    for number in range(3):
        api.client.patch(f"/loads/{first['id']}", {"origin": f"Village {number}"})
        settle()
    assert buried() == counted
    assert letters(system) == found
    assert not worker.has_ended

    # A replay after a fix records the event.
    (replayed,) = [
        id_ for id_, letter in system.dead_letters().items() if "forbidden" in letter["reason"]
    ]
    event_id = json.loads(forbidden.data)["id"]
    system.couch.allow(event_id)
    command = system.app.test_cli_runner().invoke(args=["dead-letters", "--replay", replayed])
    assert (command.exit_code, command.output) == (
        0,
        f"Event {event_id} is in the audit trail now.\n",
    )
    assert system.recorded() == system.committed() | {event_id: to_audit_document(forbidden.data)}
    assert set(letters(system)) == set(found) - {key(forbidden)}
    assert system.couch.surprises == []


class DeadLetters:
    """The command over one audit store, without any other service."""

    def __init__(self, settings: dict[str, str], folder: Path):
        environment = settings | {
            "DATABASE_URL": f"postgresql://nobody@{dead_address()}/nothing",
            "JWT_SECRET_KEY": "a-key-for-tests-only-0123456789abcdef",
            "BILLOR_HOME": str(folder / "home"),
        }
        config = load_config(environment)
        self._runner = create_app(config).test_cli_runner()
        self.store = connect_store(config)

    def bury(self, data: bytes, reason: str = "not JSON", **attributes: str) -> str:
        letter = DeadLetter(data, attributes, reason)
        self.store.bury(letter)
        return letter.id

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what was printed as output and as error."""
        done = self._runner.invoke(args=["dead-letters", *arguments])
        return done.exit_code, done.stdout, done.stderr

    def why_not(self, *arguments: str) -> str:
        """The one line of a failed command's error."""
        status, output, errors = self.run(*arguments)
        assert (status, output) == (1, ""), (output, errors)
        (line,) = errors.splitlines()
        assert line.startswith("Error: ")
        return line


@pytest.fixture
def over_couchdb(couch, tmp_path) -> DeadLetters:
    return DeadLetters({"COUCHDB_URL": couch.url}, tmp_path)


@pytest.fixture
def over_sqlite(tmp_path) -> DeadLetters:
    return DeadLetters({}, tmp_path)


@pytest.fixture(params=["over_couchdb", "over_sqlite"])
def dead_letters(request) -> DeadLetters:
    return request.getfixturevalue(request.param)


def test_dead_letters_are_listed_and_replayed_after_a_fix(dead_letters):
    assert dead_letters.run() == (0, "No dead letters.\n", "")

    bad = dead_letters.bury(b"\xff" * 1234, "not JSON: at byte 0", origin="elsewhere")
    good = event_message()
    event_id = json.loads(good.data)["id"]
    fixed = dead_letters.bury(good.data, "of an unknown type", **good.attributes)
    again = dead_letters.bury(good.data, "of an unknown type", other="attributes")
    status, output, _ = dead_letters.run()
    assert status == 0
    today = datetime.now(UTC).strftime("%Y-%m-")
    heading, *lines, last = output.splitlines()
    assert heading.split() == ["ID", "RECEIVED", "BYTES", "REASON"]
    assert len(lines) == 6
    (line,) = [line for line in lines if line.startswith(bad[:12])]
    _, received, size, reason = line.split(maxsplit=3)
    assert received.startswith(today)
    assert (size, reason) == ("1234", "not JSON: at byte 0")
    assert '"origin": "elsewhere"' in lines[lines.index(line) + 1]
    assert last == "3 in all."

    assert "still" in dead_letters.why_not("--replay", bad)
    # The shown prefix of an id is enough. The event may have been recorded meanwhile.
    for id_ in (fixed, again):
        told = (0, f"Event {event_id} is in the audit trail now.\n", "")
        assert dead_letters.run("--replay", id_[:12]) == told
    assert "No dead letter" in dead_letters.why_not("--replay", fixed)
    assert dead_letters.store.find(AuditFilter(), 9).documents == [to_audit_document(good.data)]
    assert [letter.id for letter in dead_letters.store.dead_letters()] == [bad]


def test_an_ambiguous_dead_letter_id_replays_nothing(dead_letters):
    seen: dict[str, bytes] = {}
    for number in range(17):  # two of 17 ids share their first hexadecimal digit
        data = event_message(loadId=number + 1).data
        start = DeadLetter(data, {}, "").id[0]
        if start in seen:
            break
        seen[start] = data
    for letter in (data, seen[start]):
        dead_letters.bury(letter)
    assert "2 ids start with" in dead_letters.why_not("--replay", start)
    assert len(dead_letters.store.dead_letters()) == 2
    assert dead_letters.store.find(AuditFilter(), 9).documents == []


@pytest.mark.parametrize("arguments", [[], ["--replay", "0"]], ids=["list", "replay"])
def test_an_unavailable_store_is_reported_in_one_line(
    arguments, over_sqlite, tmp_path, monkeypatch
):
    (tmp_path / "home" / "audit.sqlite3").mkdir(parents=True)
    over_sqlite.why_not(*arguments)
    monkeypatch.setenv("COUCHDB_URL", f"http://user:secret@{dead_address()}")
    assert "secret" not in over_sqlite.why_not(*arguments)


@pytest.mark.parametrize(
    "fault", [Fault.UNAUTHORIZED, Fault.HTML_ERROR, Fault.GARBAGE, Fault.TRUNCATED]
)
def test_a_faulty_store_is_reported_in_one_line(fault, couch, over_couchdb):
    replayed = over_couchdb.bury(event_message().data)
    couch.fail(fault)
    line = over_couchdb.why_not("--replay", replayed)
    assert len(line) < 1000
    assert couch.password not in line
    couch.mend()
    assert [letter.id for letter in over_couchdb.store.dead_letters()] == [replayed]


EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\x00\x7f\x9b31m\u202e\u2028"


def test_control_characters_in_messages_are_escaped_in_the_log(system, publish):
    worker = system.start_worker()
    system.start_api(workers=1).client.make_load()
    wait_until(system.recorded)  # topic and subscription are there
    load = {"id": 7, "cargoType": EVIL, "origin": EVIL, "destination": EVIL}
    payload = {"load": load, "driver": {"name": f"Eve{EVIL}"}}
    publish(event_message(type="load.assigned", payload=payload))
    publish(event_message(type="load.assigned", payload={EVIL: EVIL}))
    refused = event_message()
    system.couch.forbid(json.loads(refused.data)["id"], f"forbidden: {EVIL}")
    publish(refused)
    wait_until(lambda: worker.output.count(BURIED) == 2)
    wait_until(lambda: "To Eve" in worker.output)
    assert [line for line in worker.output.split("\n") if not line.isprintable()] == []


def test_control_characters_in_dead_letters_are_escaped_in_the_terminal(couch, over_couchdb):
    event = event_message()
    event_id = json.loads(event.data)["id"]
    couch.forbid(event_id, EVIL)
    letter = over_couchdb.bury(event.data, f"forbidden: {EVIL}", **{EVIL: EVIL})
    status, output, _ = over_couchdb.run()
    assert status == 0
    assert len(output.splitlines()) == 4
    for text in (output, over_couchdb.why_not("--replay", letter)):
        raw = {character for character in text if not character.isprintable()}
        assert raw <= {"\n"}
