"""`flask doctor`: it finds what is wrong, says what to do next, and ends whatever hangs."""

import os
import re
import time
from threading import Event

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from billor.audit.store import DeadLetter
from billor.doctor import findings
from billor.extensions import db
from billor.revisions import pending_revisions
from billor.worker.main import HEARTBEAT_FILE
from tests.support.apps import another_app, dead_address
from tests.support.databases import own_database
from tests.support.users import make_user

NEWEST = pending_revisions(None)[-1]
PRODUCTION = {
    "BILLOR_ENV": "production",
    "TRUSTED_PROXIES": "1",
    "TRUSTED_HOSTS": "api.example.com",
    "COUCHDB_URL": "",
}
LINE = re.compile(r"(ok|look|WRONG) +(\S.*?)  +(.+)(?:\n +→ (.+))?")


def examined(app: Flask) -> tuple[Result, dict[str, tuple[str, str, str]]]:
    """Run the command; return by subject the worst finding's level, text and next step."""
    result = app.test_cli_runner().invoke(args=["doctor"])
    assert result.stderr == ""
    found: dict[str, tuple[str, str, str]] = {}
    for level, subject, told, next_step in LINE.findall(result.stdout):
        if subject not in found or level != "ok":
            found[subject] = level, told, next_step
        assert (level == "ok") == (next_step == ""), "each finding has a next step"
    return result, found


def wrong(app: Flask) -> dict[str, tuple[str, str]]:
    """What is not ok, by subject: its text and its next step."""
    result, found = examined(app)
    assert (result.exit_code == 1) == any(level == "WRONG" for level, *_ in found.values())
    return {subject: rest for subject, (level, *rest) in found.items() if level != "ok"}


@pytest.fixture(autouse=True)
def _nothing_from_before(app):
    """Forget what a process remembers of its services, and the workers of other tests."""
    app.extensions["health"].until = 0
    (app.config["BILLOR"].home / HEARTBEAT_FILE).unlink(missing_ok=True)


def execute(app: Flask, statement: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))


def test_all_is_well_on_one_screen(app, client):
    client.make_load()
    execute(app, "UPDATE load_events SET published_at = now(), recorded_at = now()")
    result, found = examined(app)
    assert result.exit_code == 0, result.output
    assert {level for level, *_ in found.values()} == {"ok"}, result.output
    assert found["migrations"][1] == f"none pending; the revision is {NEWEST}"
    lines = result.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    assert lines[-1] == "0 wrong, 0 to look at."


@pytest.mark.parametrize(
    ("setting", "value", "subject"),
    [
        ("DATABASE_URL", "postgresql://user:secret@{dead}/name", "PostgreSQL"),
        ("REDIS_URL", "redis://:secret@{dead}/0", "Redis"),
        ("COUCHDB_URL", "http://user:secret@{dead}", "audit trail"),
    ],
)
@pytest.mark.usefixtures("app")
def test_a_service_that_is_away_is_named_without_secrets(settings, setting, value, subject):
    with another_app(settings, **{setting: value.format(dead=dead_address())}) as broken:
        result, found = examined(broken)
    assert result.exit_code == 1
    assert [name for name, (level, *_) in found.items() if level == "WRONG"] == [subject]
    assert "docs/runbook.md#" in found[subject][2]
    assert "secret" not in result.stdout


@pytest.mark.usefixtures("app")
def test_an_unavailable_bus_is_found(settings, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", dead_address())  # which the bus sets
    changes = {"PUBSUB_PROJECT_ID": "billor", "PUBSUB_EMULATOR_HOST": dead_address()}
    with another_app(settings, **changes) as broken:
        assert wrong(broken).keys() == {"Pub/Sub"}


def test_what_hangs_is_given_up(app, monkeypatch):
    monkeypatch.setattr(findings, "CHECK_SECONDS", 1)
    released = Event()
    monkeypatch.setattr(app.extensions["audit_store"], "dead_letters", released.wait)
    started = time.monotonic()
    try:
        told, next_step = wrong(app)["audit trail"]
    finally:
        released.set()
    assert (told, next_step) == ("no answer within 1 s", findings.NO_ANSWER)
    assert time.monotonic() - started < 5


def test_missing_and_pending_migrations_are_found(app, settings):
    with own_database(settings) as empty, another_app(empty) as unmigrated:
        told, next_step = wrong(unmigrated)["migrations"]
        assert told.endswith(f" pending, 0001 to {NEWEST}")
        assert next_step == "`flask db upgrade`"
    execute(app, "UPDATE alembic_version SET version_num = '0018'")
    try:
        assert "pending, 0019 to " in wrong(app)["migrations"][0]
        execute(app, "UPDATE alembic_version SET version_num = '9999'")
        assert wrong(app)["migrations"][1] == "Run that version of Billor."
    finally:
        execute(app, f"UPDATE alembic_version SET version_num = '{NEWEST}'")  # noqa: S608


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ("created_at = now() - interval '1 minute'", "1 wait to be published, for 60 s"),
        (
            "created_at = now() - interval '2 minutes', published_at = now()",
            "1 wait to be seen in the audit trail, for 120 s",
        ),
    ],
)
def test_late_events_are_found(app, client, times, told):
    client.make_load()
    execute(app, f"UPDATE load_events SET {times}")  # noqa: S608
    assert wrong(app)["events"][0] == told


def test_dead_letters_are_found(app):
    app.extensions["audit_store"].bury(DeadLetter(b"{", {}, "not JSON"))
    assert wrong(app).keys() == {"dead letters"}
    result, _ = examined(app)
    assert result.exit_code == 0, "it works, and somebody should look"


OLD_ROWS = {
    "Idempotency-Keys": "INSERT INTO idempotency_keys (user_id, key, fingerprint, created_at)"
    " SELECT id, 'a', '', now() - interval '27 hours' FROM users",
    "sessions": "INSERT INTO sessions (user_id, expires_at)"
    " SELECT id, now() - interval '3 hours' FROM users",
    "marks of notifications": "INSERT INTO notifications (event_id, sent_at)"
    " SELECT id, now() - interval '33 days' FROM load_events",
}


@pytest.mark.parametrize("what", OLD_ROWS)
def test_what_was_not_tidied_up_is_found(app, what):
    with app.app_context():
        make_user("Dana", "dana@billor.example")
    insert_settled_event(app, days=1)
    assert wrong(app) == {}
    execute(app, OLD_ROWS[what])
    assert wrong(app)["bookkeeping"][0] == f"expired {what} are still there"


def insert_settled_event(app: Flask, days: int) -> None:
    execute(
        app,
        "INSERT INTO load_events (id, type, payload, created_at, published_at, recorded_at)"
        f" SELECT gen_random_uuid(), 'user.updated', '{{}}', now() - interval '{days} days',"
        " now(), now()",
    )


def test_events_beyond_the_retention_are_found(app, settings):
    insert_settled_event(app, days=50)
    assert wrong(app) == {}
    for days, found in (("45", False), ("40", True)):
        with another_app(settings, RETENTION_DAYS=days) as keeping:
            assert ("retention" in wrong(keeping)) is found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"JWT_SECRET_KEY": "abcabcabcabcabcabcabcabcabcabcabcabc"}, "JWT_SECRET_KEY can be"),
        ({"TRUSTED_PROXIES": "0"}, "TRUSTED_PROXIES is 0"),
        ({"TRUSTED_HOSTS": ""}, "TRUSTED_HOSTS is not set"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS allows any page"),
        ({"REDIS_URL": ""}, "REDIS_URL is not set"),
        ({"WEB_WORKERS": "64"}, "of which this machine may take 520"),
        ({"BILLOR_ENV": "development", "TRUSTED_HOSTS": ""}, "BILLOR_ENV is development"),
    ],
)
@pytest.mark.usefixtures("app")
def test_weak_settings_are_found(settings, couch, changes, told):
    changes = PRODUCTION | {"COUCHDB_URL": couch.url} | changes
    with another_app(settings, **changes) as weak:
        ((found, _),) = wrong(weak).values()
    assert told in found


@pytest.mark.usefixtures("app")
def test_an_audit_file_in_production_is_found(settings):
    with another_app(settings, **PRODUCTION) as one_machine:
        assert wrong(one_machine)["settings"][0].startswith("COUCHDB_URL is not set")


def test_the_known_password_of_the_demo_user_is_found(app, settings, couch):
    with app.app_context():
        make_user("Demo", "demo@billor.example", "demo-password")
    with another_app(settings, **PRODUCTION | {"COUCHDB_URL": couch.url}) as production:
        told, next_step = wrong(production)["accounts"]
    assert told == "demo@billor.example has the publicly known password"
    assert next_step == "`flask users set-password demo@billor.example`"


def test_a_worker_that_gives_no_sign_is_found(app):
    heartbeat = app.config["BILLOR"].home / HEARTBEAT_FILE
    heartbeat.parent.mkdir(exist_ok=True)
    heartbeat.touch()
    try:
        assert examined(app)[1]["worker"][1] == "runs on this machine"
        long_ago = time.time() - 120
        os.utime(heartbeat, (long_ago, long_ago))
        assert re.match(r"the one .* gave its last sign 12\d s ago", wrong(app)["worker"][0])
    finally:
        heartbeat.unlink()
