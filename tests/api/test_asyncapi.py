"""The documents of events: every message is as they say, and they are as AsyncAPI wants them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema_rs import validator_for
from sqlalchemy import select, text

from billor.auth import attempts, sessions
from billor.drivers.service import warn_of_papers
from billor.events.event import ACCOUNT_TYPES, EventType, to_message
from billor.models import LoadEvent, db
from billor.worker.webhooks import Deliverer
from scripts.launcher.launcher import PROJECT
from scripts.payloads import PAYLOADS, event_name
from scripts.write_asyncapi import asyncapi_document
from scripts.write_openapi import openapi_spec
from tests.conftest import DEMO_EMAIL, DEMO_PASSWORD
from tests.support.mail import NOBODY, Mailbox, mail_to, send_due
from tests.support.photos import GOOD
from tests.support.worker import wait_until

STRUCTURE = PROJECT / "node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"


def test_the_committed_document_is_up_to_date_and_has_the_structure_of_asyncapi():
    committed = (PROJECT / "asyncapi.json").read_text()
    assert asyncapi_document() == committed, "run `make openapi`"
    if not STRUCTURE.exists():
        pytest.skip("The packages of npm are not installed: the structure is NOT tested")
    validator_for(json.loads(STRUCTURE.read_text())).validate(json.loads(committed))


def test_messages_of_all_types_are_as_documented(app, client, monkeypatch):
    make_all_events(app, client, monkeypatch)
    strict = openapi_spec().to_dict()
    documents = [strict, json.loads((PROJECT / "asyncapi.json").read_text())]
    with app.app_context():
        messages = [to_message(row) for row in db.session.scalars(select(LoadEvent))]
    for message in messages:
        type_, body = message.attributes["type"], json.loads(message.data)
        for document in documents:
            name = event_name(type_)
            if document is documents[1] or type_ not in ACCOUNT_TYPES:
                schema = {"$ref": f"#/components/schemas/{name}"}
                validator_for(document | schema).validate(body)
            if document is documents[0] and type_ not in ACCOUNT_TYPES:
                call = {"type": type_, "timestamp": body["timestamp"], "data": body}
                content = document["webhooks"][type_]["post"]["requestBody"]["content"]
                validator_for(document | content["application/json"]["schema"]).validate(call)
    assert set(PAYLOADS) == set(EventType), "add it to PAYLOADS"
    assert {each.attributes["type"] for each in messages} == set(EventType), "add what causes it"


def make_all_events(app, client, monkeypatch) -> None:
    """Have an event of every type."""
    now = datetime.now(UTC)
    today, tomorrow = f"{now:%Y-%m-%d}", f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    driver = client.make_driver(email="alex@carrier.example", licenseExpiresOn=today)
    other = client.make_driver("TX-2", email=NOBODY)
    load, following, sold = (client.make_load(pickupPhone="+12145550123") for _ in range(3))
    client.patch(f"/drivers/{driver['id']}", {"phone": "+12145550123"})
    client.patch(f"/loads/{load['id']}", {"pickupPhone": None, "deliverBy": tomorrow})
    client.post(f"/loads/{load['id']}/comments", {"text": "Dock 4"})
    documents = f"/loads/{load['id']}/documents"
    photo = client.post(f"{documents}?kind=POD", data=GOOD["image/jpeg"])
    client.request("DELETE", photo.headers["Location"])
    first = client.assign(driver, load)
    pair = {"driverId": driver["id"], "loadId": following["id"]}
    client.post("/assignments", pair | {"plan": True})
    check_ins = f"/assignments/{first['id']}/check-ins"
    late = {"kind": "DELAYED", "reason": "Snow", "expectedAt": tomorrow}
    client.request("DELETE", f"{check_ins}/{client.post(check_ins, late).json['id']}")
    client.close(first, "COMPLETED")
    client.post(f"/assignments/{first['id']}/reopen", {"reason": "A wrong tap"})
    client.close(client.assign(other, sold), "CANCELLED")
    client.patch(f"/loads/{sold['id']}", {"status": "CANCELLED"})
    client.assign(other, client.make_load())

    user = {"name": "D", "email": "d@b.example", "password": "a-good-password"}
    path = f"/users/{client.post('/users', user).json['id']}"
    for change in ({"name": "E"}, {"role": "ADMIN"}, {"password": "another-good-password"}):
        client.patch(path, change)
    for active in (False, True):
        client.patch(path, {"active": active})
    for address in ("f@b.example", NOBODY):
        client.post("/users", {"name": "F", "email": address})
    client.post("/auth/password-reset", {"email": DEMO_EMAIL})
    key = client.post("/api-keys", {"name": "Accounting"})
    programs = {"headers": {"Authorization": f"Bearer {key.json['key']}"}}
    client.post(
        "/loads", {name: sold[name] for name in ("origin", "destination", "cargoType")}, **programs
    )
    client.request("DELETE", key.headers["Location"])
    client.post("/webhooks", {"url": "https://127.0.0.1/"})
    client.post("/webhooks/1/test")
    monkeypatch.setattr(sessions, "RETRY_SECONDS", 0)
    tokens = client.log_in(DEMO_EMAIL, DEMO_PASSWORD).json
    for _ in range(2):
        client.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    monkeypatch.setattr(attempts, "MAX_FAILURES", 0)
    for email in (DEMO_EMAIL, "unknown@b.example"):
        client.log_in(email, "wrong")
    client.post("/auth/logout-all")

    with Mailbox() as mailbox, app.app_context():
        mail_to(mailbox.url, app, monkeypatch)
        warn_of_papers()
        send_due()
        db.session.execute(text("UPDATE webhooks SET failing_since = now() - interval '6 days'"))
        db.session.commit()
        deliverer = Deliverer()
        is_active = text("SELECT is_active FROM webhooks")
        wait_until(lambda: deliverer.step() == 0 and not db.session.scalar(is_active))
