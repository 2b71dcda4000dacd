"""/healthz and /readyz, with every dependency available and with one unavailable."""

import pytest

from billor.health import checks
from tests.support.apps import DEAD_ADDRESS, another_app
from tests.support.databases import run_sql

PATIENCE = 60
ALL_OK = {"postgresql": "ok", "redis": "ok", "events": "ok", "audit": "ok", "documents": "ok"}
NONE_WAIT = {"count": 0, "oldestSeconds": None}
NO_LAG = {"unpublished": NONE_WAIT, "unrecorded": NONE_WAIT}


@pytest.fixture(autouse=True)
def _ask_each_time(monkeypatch):
    monkeypatch.setattr(checks, "CACHE_SECONDS", 0)


def test_readiness_is_ok_when_every_dependency_is(anonymous):
    answer = anonymous.get("/readyz")
    expected = {"status": "ok", "dependencies": ALL_OK, "lag": NO_LAG}
    assert (answer.status_code, answer.json) == (200, expected)


# Strict equality also proves that no address, password or error text is revealed.
@pytest.mark.parametrize(
    ("setting", "value", "status", "away"),
    [
        ("REDIS_URL", "redis://:secret@{dead}/0", "degraded", ["redis"]),
        ("REDIS_URL", "", "degraded", ["redis"]),
        ("COUCHDB_URL", "http://user:secret@{dead}", "degraded", ["audit"]),
        (
            "DATABASE_URL",
            "postgresql://user:secret@{dead}/name",
            "unavailable",
            ["postgresql", "events"],
        ),
    ],
)
@pytest.mark.usefixtures("app")
def test_readiness_names_the_unavailable_dependency_and_reveals_nothing_else(
    settings, setting, value, status, away
):
    with another_app(settings, **{setting: value.format(dead=DEAD_ADDRESS)}) as broken:
        answer = broken.test_client().get("/readyz")
        assert answer.status_code == (503 if status == "unavailable" else 200)
        assert answer.json == {
            "status": status,
            "dependencies": ALL_OK | dict.fromkeys(away, "away"),
            "lag": None if status == "unavailable" else NO_LAG,
        }
        answer = broken.test_client().get("/healthz")
        assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("seconds", "published", "done", "state"),
    [
        (0, "NULL", "published_at", "ok"),
        (15, "NULL", "published_at", "late"),
        (0, "now()", "recorded_at", "ok"),
        (70, "now()", "recorded_at", "late"),
        # PostgreSQL's clock was set back meanwhile: nobody knows how long these wait.
        (-2, "NULL", "published_at", "ok"),
        (-7200, "NULL", "published_at = now(), recorded_at", "late"),
        (-7200, "now() + interval '2 hours'", "recorded_at", "late"),
    ],
)
def test_waiting_events_are_reported_as_late(client, app, seconds, published, done, state):
    """Publishing them again does not reset their age."""
    client.make_load()
    times = f"created_at = now() - make_interval(secs => :seconds), published_at = {published}"
    run_sql(app, f"UPDATE load_events SET {times}", seconds=seconds)  # noqa: S608
    told = client.get("/readyz").json
    assert told["dependencies"] == ALL_OK | {"events": state}
    assert sorted(waiting["count"] for waiting in told["lag"].values()) == [0, 1]
    ages = [waiting["oldestSeconds"] for waiting in told["lag"].values()]
    assert max(age for age in ages if age is not None) >= abs(seconds) - PATIENCE
    assert min(age for age in ages if age is not None) >= 0

    run_sql(app, f"UPDATE load_events SET {done} = now()")  # noqa: S608
    assert client.get("/readyz").json["dependencies"] == ALL_OK


def test_repeated_readiness_checks_reuse_the_last_result(anonymous, statements, monkeypatch):
    monkeypatch.setattr(checks, "CACHE_SECONDS", 600)
    anonymous.get("/readyz")
    with statements:
        answers = [anonymous.get("/readyz").json for _ in range(3)]
    assert answers == [{"status": "ok", "dependencies": ALL_OK, "lag": NO_LAG}] * 3
    assert statements.sent == []
