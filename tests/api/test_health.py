"""/healthz and /readyz: what they say when everything is there, and when something is not."""

import pytest
from sqlalchemy import text

from billor.audit.sqlite import SqliteStore
from billor.extensions import db
from tests.support.apps import another_app, dead_address

ALL_OK = {"postgresql": "ok", "redis": "ok", "events": "ok", "audit": "ok"}


def test_with_everything_there_it_is_ready(anonymous):
    answer = anonymous.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "dependencies": ALL_OK})


# Strict equality also shows that nothing else is told: no address, no password, no error text.
@pytest.mark.parametrize(
    ("setting", "value", "status", "expected"),
    [
        (
            "REDIS_URL",
            "redis://:secret@{dead}/0",
            200,
            {"status": "degraded", "dependencies": ALL_OK | {"redis": "away"}},
        ),
        ("REDIS_URL", "", 200, {"status": "degraded", "dependencies": ALL_OK | {"redis": "away"}}),
        (
            "COUCHDB_URL",
            "http://user:secret@{dead}",
            200,
            {"status": "degraded", "dependencies": ALL_OK | {"audit": "away"}},
        ),
        (
            "DATABASE_URL",
            "postgresql://user:secret@{dead}/name",
            503,
            {
                "status": "unavailable",
                "dependencies": ALL_OK | {"postgresql": "away", "events": "away"},
            },
        ),
    ],
    ids=["Redis away", "no Redis", "CouchDB away", "PostgreSQL away"],
)
@pytest.mark.usefixtures("app")
def test_what_is_away_is_named_and_nothing_more_is_told(settings, setting, value, status, expected):
    with another_app(settings, **{setting: value.format(dead=dead_address())}) as broken:
        client = broken.test_client()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json) == (status, expected)
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_an_audit_file_that_cannot_be_opened_is_away(app, anonymous, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "audit.sqlite3")
    monkeypatch.setitem(app.extensions, "audit_store", store)
    answer = anonymous.get("/readyz").json
    assert answer == {"status": "degraded", "dependencies": ALL_OK | {"audit": "away"}}


@pytest.mark.parametrize(("seconds", "state"), [(20, "ok"), (40, "late")])
def test_events_that_nobody_publishes_are_late(client, app, seconds, state):
    client.make_load()
    with app.app_context():
        age = text("UPDATE load_events SET created_at = now() - make_interval(secs => :seconds)")
        db.session.execute(age, {"seconds": seconds})
        db.session.commit()
    assert client.get("/readyz").json["dependencies"] == ALL_OK | {"events": state}

    with app.app_context():
        db.session.execute(text("UPDATE load_events SET published_at = now()"))
        db.session.commit()
    assert client.get("/readyz").json["dependencies"] == ALL_OK


def test_being_up_needs_nothing(anonymous, statements):
    with statements:
        answer = anonymous.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert statements.sent == []
