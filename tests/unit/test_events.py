"""Events: their form on the bus and in the audit trail, and which change writes which."""

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from billor.events.event import EventType, MalformedEvent, to_audit_document, to_message
from billor.extensions import db
from billor.models import LoadEvent
from tests.support.bus import event_body, event_message

AUDIT_TYPES = {
    "load.created": "LOAD_CREATED",
    "load.updated": "LOAD_UPDATED",
    "load.cancelled": "LOAD_CANCELLED",
    "load.assigned": "ASSIGNED",
    "load.completed": "LOAD_COMPLETED",
    "assignment.cancelled": "ASSIGNMENT_CANCELLED",
}
DRIVER_TYPES = {"driver.created": "DRIVER_CREATED", "driver.updated": "DRIVER_UPDATED"}
USER = {"id": 1, "name": "Demo Dispatcher"}
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargoType": "Dry van"}


@pytest.mark.parametrize("type_", AUDIT_TYPES)
def test_a_row_becomes_a_message_and_the_message_an_audit_document(type_):
    with_driver = type_ in ("load.assigned", "load.completed", "assignment.cancelled")
    row = LoadEvent(
        id=uuid.uuid4(),
        type=type_,
        load_id=7,
        driver_id=8 if with_driver else None,
        assignment_id=9 if with_driver else None,
        payload={"load": {"id": 7, "origin": "Łódź"}},
        request_id="a-request" if with_driver else None,
        created_at=datetime(2026, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=2))),
    )

    message = to_message(row)
    assert "Łódź".encode() in message.data
    shared = {
        "driverId": row.driver_id,
        "loadId": 7,
        "assignmentId": row.assignment_id,
        "payload": {"load": {"id": 7, "origin": "Łódź"}},
        "timestamp": "2026-03-01T12:30:00.000000Z",
        "requestId": row.request_id,
    }
    assert json.loads(message.data) == {"id": str(row.id), "type": type_, **shared}
    assert message.attributes == {"id": str(row.id), "type": type_}

    document = to_audit_document(message.data)
    assert document == {"_id": str(row.id), "type": AUDIT_TYPES[type_], **shared}


ACCOUNT_TYPES = {
    "user.created": "USER_CREATED",
    "user.updated": "USER_UPDATED",
    "user.role_changed": "ROLE_CHANGED",
    "user.password_changed": "PASSWORD_CHANGED",
    "user.deactivated": "USER_DEACTIVATED",
    "user.reactivated": "USER_REACTIVATED",
    "user.sessions_ended": "SESSIONS_ENDED",
    "user.refresh_token_reused": "REFRESH_TOKEN_REUSED",
    "user.login_blocked": "LOGIN_BLOCKED",
}


def test_every_type_of_event_is_tested():
    assert {*AUDIT_TYPES, *DRIVER_TYPES, *ACCOUNT_TYPES} == {type_.value for type_ in EventType}


@pytest.mark.parametrize("type_", DRIVER_TYPES)
def test_a_drivers_row_becomes_a_message_and_a_document(type_):
    row = LoadEvent(
        id=uuid.uuid4(),
        type=type_,
        driver_id=8,
        payload={"driver": {"id": 8}},
        created_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    )
    message = to_message(row)
    shared = {
        "driverId": 8,
        "loadId": None,
        "assignmentId": None,
        "payload": {"driver": {"id": 8}},
        "timestamp": "2026-03-01T12:30:00.000000Z",
        "requestId": None,
    }
    assert json.loads(message.data) == {"id": str(row.id), "type": type_, **shared}
    document = to_audit_document(message.data)
    assert document == {"_id": str(row.id), "type": DRIVER_TYPES[type_], **shared}


@pytest.mark.parametrize(
    "changes",
    [{}, {"assignmentId": None}, {"loadId": None}, {"driverId": None, "loadId": None}],
)
def test_an_event_of_a_driver_has_a_driver_and_nothing_else(changes):
    body = event_body() | {"type": "driver.updated", "driverId": 8, "assignmentId": 9} | changes
    with pytest.raises(MalformedEvent):
        to_audit_document(json.dumps(body).encode())


@pytest.mark.parametrize("type_", ACCOUNT_TYPES)
def test_an_accounts_row_becomes_a_message_and_a_document(type_):
    user_id = None if type_ == "user.login_blocked" else 7
    row = LoadEvent(
        id=uuid.uuid4(),
        type=type_,
        user_id=user_id,
        payload={"account": {"id": 7}},
        created_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    )
    message = to_message(row)
    shared = {
        "userId": user_id,
        "payload": {"account": {"id": 7}},
        "timestamp": "2026-03-01T12:30:00.000000Z",
        "requestId": None,
    }
    assert json.loads(message.data) == {"id": str(row.id), "type": type_, **shared}
    assert message.attributes == {"id": str(row.id), "type": type_}
    document = to_audit_document(message.data)
    assert document == {"_id": str(row.id), "type": ACCOUNT_TYPES[type_], **shared}


def test_events_of_loads_and_of_accounts_have_no_fields_of_the_other():
    for changes in ({"userId": 7}, {"type": "user.created"}, {"type": "user.created", "userId": 7}):
        with pytest.raises(MalformedEvent):
            to_audit_document(event_message(**changes).data)


MALFORMED = {
    "empty": b"",
    "not JSON": b"load.created",
    "not UTF-8": json.dumps(event_body()).encode().replace(b"a-request", b"\xff"),
    "an array": json.dumps([event_body()]).encode(),
    "a text": b'"load.created"',
    "null": b"null",
    "nested too deeply": json.dumps(event_body())
    .encode()
    .replace(b'{"load": {"id": 7}}', b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "nested so deeply that only some could read it": json.dumps(event_body())
    .encode()
    .replace(b'{"load": {"id": 7}}', b'{"a":' * 200 + b"1" + b"}" * 200),
    "a float of more than a double can hold": event_message(payload={"weight": 7}).data.replace(
        b"7}", b"1e400}"
    ),
    "larger than any of ours": event_message(payload={"text": "x" * 1_100_000}).data,
} | {
    f"{field} {value!r}"[:60]: json.dumps(event_body(**{field: value})).encode()
    for field, value in [
        ("id", "7"),
        ("id", 7),
        ("id", None),
        ("type", "load.eaten"),
        ("type", "ASSIGNED"),
        ("type", ["load.created"]),
        ("loadId", "7"),
        ("loadId", 7.0),
        ("loadId", True),
        ("loadId", None),
        ("loadId", float("nan")),
        # Larger than any id, and than the integers that a CouchDB view can tell apart.
        ("loadId", 2**53),
        ("driverId", "8"),
        ("driverId", 2**53),
        ("assignmentId", {}),
        ("assignmentId", 2**53),
        ("payload", None),
        ("payload", []),
        # Python reads and writes these, but they are not JSON, and CouchDB refuses them.
        ("payload", {"weight": float("nan")}),
        ("payload", {"weight": float("-inf")}),
        # CouchDB also refuses numbers beyond the range of a double.
        ("payload", {"weight": [10**400]}),
        ("payload", {"weight": -(2**1024)}),
        ("payload", {"name": "\ud800"}),
        ("payload", {"\udc00": "name"}),
        ("timestamp", "yesterday"),
        ("timestamp", "0001-01-01T00:00:00+02:00"),
        ("timestamp", "9999-12-31T23:59:59-02:00"),
        ("timestamp", "2026-03-01T12:00:00"),
        ("timestamp", "2026-03-01T24:00:00.000000Z"),
        ("timestamp", "2026-02-30T12:00:00.000000Z"),
        ("timestamp", 1772366400),
        ("timestamp", None),
        ("requestId", 5),
        ("more", "than asked for"),
        ("_id", "7"),
    ]
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_are_no_event_are_malformed(data):
    with pytest.raises(MalformedEvent, match=r"."):
        to_audit_document(data)


def test_the_largest_storable_numbers_are_kept_exactly():
    largest = {"loadId": 2**53 - 1, "driverId": 2**53 - 1, "assignmentId": 2**53 - 1}
    payload = {"numbers": [2**53 + 1, int(sys.float_info.max), sys.float_info.max, -(10**300)]}
    document = to_audit_document(event_message(**largest, payload=payload).data)
    assert largest.items() <= document.items()
    assert document["payload"] == payload


def test_the_reason_for_a_malformed_event_is_short():
    body = event_body() | {f"made up {number}": number for number in range(1000)}
    with pytest.raises(MalformedEvent) as error:
        to_audit_document(json.dumps(body).encode())
    assert 100 < len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("id", "urn:uuid:F47AC10B-58CC-4372-A567-0E02B2C3D479", None),
        ("id", "{f47ac10b58cc4372a5670e02b2c3d479}", None),
        ("timestamp", "2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00.000000Z"),
        ("timestamp", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000000Z"),
        ("timestamp", "2016-12-31T23:59:60.000000Z", "2017-01-01T00:00:00.000000Z"),
    ],
)
def test_ids_and_times_of_other_publishers_are_normalized(field, given, stored):
    document = to_audit_document(event_message(**{field: given}).data)
    stored = stored or "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    assert document["_id" if field == "id" else field] == stored


@pytest.mark.parametrize("field", event_body())
def test_a_missing_field_makes_an_event_malformed_and_is_named(field):
    body = event_body()
    del body[field]
    with pytest.raises(MalformedEvent, match=field):
        to_audit_document(json.dumps(body).encode())


@pytest.fixture
def written(app):
    """The events in the database, oldest first."""

    def read() -> list[LoadEvent]:
        with app.app_context():
            return db.session.scalars(select(LoadEvent).order_by(LoadEvent.created_at)).all()

    return read


def test_each_step_of_a_load_writes_its_event(client, written):
    driver, load = client.make_driver(), client.make_load()
    path = f"/loads/{load['id']}"
    client.patch(path, {"origin": "Austin, TX"})
    client.patch(path, {"status": "CANCELLED"})
    client.patch(path, {"status": "OPEN"})
    first = client.assign(driver, load)
    client.close(first, "CANCELLED")
    second = client.assign(driver, load)
    client.close(second, "COMPLETED")

    created, *events = written()
    assert created.type == "driver.created"
    assert [
        (e.type, e.driver_id, e.assignment_id, e.payload["load"]["status"]) for e in events
    ] == [
        ("load.created", None, None, "OPEN"),
        ("load.updated", None, None, "OPEN"),
        ("load.cancelled", None, None, "CANCELLED"),
        ("load.updated", None, None, "OPEN"),
        ("load.assigned", driver["id"], first["id"], "ASSIGNED"),
        ("assignment.cancelled", driver["id"], first["id"], "OPEN"),
        ("load.assigned", driver["id"], second["id"], "ASSIGNED"),
        ("load.completed", driver["id"], second["id"], "COMPLETED"),
    ]
    assert {e.load_id for e in events} == {load["id"]}
    assert {e.published_at for e in events} == {None}
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=1) < e.created_at <= now for e in events)


def test_an_assigned_event_carries_the_whole_driver_and_load(client, written):
    driver, load = client.make_driver(), client.make_load()
    client.assign(driver, load)
    assert written()[-1].payload == {
        "driver": driver,
        "load": client.get(f"/loads/{load['id']}").json,
        "user": USER,
    }


def test_an_update_event_holds_previous_values_and_no_change_writes_none(client, written):
    load = client.make_load()
    changed = client.patch(
        f"/loads/{load['id']}", {"origin": "Austin, TX", "destination": load["destination"]}
    )
    assert written()[-1].payload == {
        "load": changed.json,
        "before": {"origin": "Dallas, TX"},
        "user": USER,
    }

    client.patch(f"/loads/{load['id']}", {"origin": "Austin, TX"})
    assert len(written()) == 2


def test_each_change_of_a_driver_writes_its_event(client, written):
    driver = client.make_driver()
    path = f"/drivers/{driver['id']}"
    changed = client.patch(path, {"name": "Alex C.", "status": "ACTIVE"})
    client.patch(path, {"name": "Alex C."})
    created, updated = written()
    assert (created.type, created.payload) == ("driver.created", {"driver": driver, "user": USER})
    assert (updated.type, updated.payload) == (
        "driver.updated",
        {"driver": changed.json, "before": {"name": driver["name"]}, "user": USER},
    )
    for event in (created, updated):
        ids = (event.driver_id, event.load_id, event.assignment_id)
        assert ids == (driver["id"], None, None)


@pytest.mark.parametrize("given", [{"X-Request-ID": "from-the-caller"}, {}])
def test_an_event_has_the_id_of_its_request(client, written, given):
    answer = client.post("/loads", LOAD, headers=given)
    expected = given.get("X-Request-ID", answer.headers["X-Request-ID"])
    assert written()[-1].request_id == expected


def test_a_refused_request_writes_no_event(client, written):
    driver, load = client.make_driver(), client.make_load()
    assignment = client.assign(driver, load)
    client.close(assignment, "COMPLETED")
    before = len(written())

    for answer, status in (
        (client.post("/assignments", {"driverId": driver["id"], "loadId": load["id"]}), 409),
        (client.patch(f"/assignments/{assignment['id']}/status", {"status": "CANCELLED"}), 409),
        (client.patch(f"/loads/{load['id']}", {"origin": "Austin, TX"}), 409),
        (client.post("/loads", LOAD | {"origin": ""}), 422),
    ):
        assert answer.status_code == status
    assert len(written()) == before


def test_an_error_rolls_back_a_load_together_with_its_event(client, written, monkeypatch):
    def fail(*_):
        raise RuntimeError("after both rows were sent to the database")

    monkeypatch.setattr("billor.events.outbox.after_commit", fail)
    assert client.post("/loads", LOAD).status_code == 500
    assert client.get("/loads").json == []
    assert written() == []
