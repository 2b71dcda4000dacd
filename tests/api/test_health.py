"""/healthz and /readyz, with every dependency available and with one unavailable."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import text

from billor.audit.sqlite import SqliteStore
from billor.extensions import db
from billor.health import checks
from billor.health.checks import State
from tests.support.apps import another_app, dead_address

PATIENCE = 10
ALL_OK = {"postgresql": "ok", "redis": "ok", "events": "ok", "audit": "ok"}


@pytest.fixture(autouse=True)
def _ask_each_time(monkeypatch):
    monkeypatch.setattr(checks, "REMEMBERED_SECONDS", 0)


def test_readiness_is_ok_when_every_dependency_is(anonymous):
    answer = anonymous.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "dependencies": ALL_OK})


# Strict equality also proves that no address, password or error text is revealed.
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
def test_readiness_names_the_unavailable_dependency_and_reveals_nothing_else(
    settings, setting, value, status, expected
):
    with another_app(settings, **{setting: value.format(dead=dead_address())}) as broken:
        client = broken.test_client()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json) == (status, expected)
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_an_unreadable_audit_file_is_reported_as_away(app, anonymous, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "audit.sqlite3")
    monkeypatch.setitem(app.extensions, "audit_store", store)
    answer = anonymous.get("/readyz").json
    assert answer == {"status": "degraded", "dependencies": ALL_OK | {"audit": "away"}}


def update_events(app, times: str, **parameters: int) -> None:
    with app.app_context():
        db.session.execute(text(f"UPDATE load_events SET {times}"), parameters)  # noqa: S608
        db.session.commit()


@pytest.mark.parametrize(("seconds", "state"), [(5, "ok"), (15, "late")])
def test_unpublished_events_are_reported_as_late(client, app, seconds, state):
    client.make_load()
    update_events(app, "created_at = now() - make_interval(secs => :seconds)", seconds=seconds)
    assert client.get("/readyz").json["dependencies"] == ALL_OK | {"events": state}

    update_events(app, "published_at = now()")
    assert client.get("/readyz").json["dependencies"] == ALL_OK


@pytest.mark.parametrize(("seconds", "state"), [(50, "ok"), (70, "late")])
def test_unrecorded_events_are_reported_as_late(client, app, seconds, state):
    """Republishing them does not reset their age."""
    client.make_load()
    times = "created_at = now() - make_interval(secs => :seconds), published_at = now()"
    update_events(app, times, seconds=seconds)
    assert client.get("/readyz").json["dependencies"] == ALL_OK | {"events": state}

    update_events(app, "recorded_at = now()")
    assert client.get("/readyz").json["dependencies"] == ALL_OK


def test_liveness_needs_no_dependency(anonymous, statements):
    with statements:
        answer = anonymous.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert statements.sent == []


def test_repeated_readiness_checks_reuse_the_last_result(anonymous, statements, monkeypatch):
    monkeypatch.setattr(checks, "REMEMBERED_SECONDS", 600)
    anonymous.get("/readyz")
    with statements:
        answers = [anonymous.get("/readyz").json for _ in range(3)]
    assert answers == [{"status": "ok", "dependencies": ALL_OK}] * 3
    assert statements.sent == []


def test_concurrent_readiness_checks_share_one_probe_with_a_timeout(app, anonymous, monkeypatch):
    """A hanging dependency must not block a thread for each readiness check."""
    asked, answer = Event(), Event()

    def hang():
        asked.set()
        assert answer.wait(PATIENCE)
        return State.AWAY

    monkeypatch.setattr(checks, "REMEMBERED_SECONDS", 600)
    monkeypatch.setattr(checks, "_audit", hang)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(lambda: app.test_client().get("/readyz").json["dependencies"])
        assert asked.wait(PATIENCE)
        impatient = anonymous.get("/readyz")
        assert impatient.status_code == 503
        assert set(impatient.json["dependencies"].values()) == {"away"}
        answer.set()
        assert first.result(PATIENCE) == ALL_OK | {"audit": "away"}
    assert anonymous.get("/readyz").json["dependencies"] == ALL_OK | {"audit": "away"}
