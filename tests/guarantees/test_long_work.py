"""Work that takes long is answered, or undone and refused."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from billor.extensions import db
from billor.models import IdempotencyKey, Load, LoadEvent
from tests.support.http import Reply
from tests.support.rival import rival
from tests.support.system import Api, System
from tests.support.workbooks import workbook
from tests.support.worker import WAIT_SECONDS, wait_until

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADER = ["origin", "destination", "cargoType"]
FILE = b"origin,destination,cargoType\nDallas,Reno,Steel\n"
IMPORT_SECONDS = 1
PAST_DEADLINE = timedelta(seconds=IMPORT_SECONDS + 0.5)
IMPATIENT = f"""
from billor.loads import importing
from billor.server import gunicorn_worker
importing.IMPORT_SECONDS = {IMPORT_SECONDS}
Worker = gunicorn_worker.BillorWorker
"""


@pytest.fixture
def impatient_api(system_without_bus: System) -> Api:
    (system_without_bus.folder / "impatient.py").write_text(IMPATIENT)
    return system_without_bus.start_api(
        workers=1, GUNICORN_CMD_ARGS="--worker-class=impatient.Worker"
    )


@contextmanager
def importing(
    api: Api, file: bytes = FILE, media_type: str = "text/csv"
) -> Iterator[Future[Reply]]:
    headers = {"Content-Type": media_type, "Idempotency-Key": "monday"}
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(api.client.post, "/loads/import", file, **headers)


def stored(system: System) -> list[int]:
    """The number of loads, of events and of keys."""
    with system.app.app_context(), db.session.begin():
        return [
            db.session.scalar(select(func.count()).select_from(model))
            for model in (Load, LoadEvent, IdempotencyKey)
        ]


@pytest.mark.parametrize("table", ["loads", "load_events"])
def test_an_import_past_its_deadline_is_undone_and_refused(
    system_without_bus, impatient_api, table
):
    before = stored(system_without_bus)
    with rival(system_without_bus.app) as holder:
        holder.execute(f"LOCK TABLE {table} IN SHARE MODE")
        with importing(impatient_api) as answer:
            reply = answer.result(WAIT_SECONDS)
        assert (reply.status, reply.body["code"]) == (503, "request_timeout")
        assert reply.headers["Retry-After"] == "1"
        holder.give_way()
    with importing(impatient_api) as answer:
        assert answer.result(WAIT_SECONDS).body["created"] == 1
    assert stored(system_without_bus) == [count + 1 for count in before]


LOCK_AT_COMMIT = """
    CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON loads
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()
"""


@pytest.fixture
def _commits_wait(system_without_bus: System) -> Iterator[None]:
    """Let the commit of new loads wait for an advisory lock."""
    app = system_without_bus.app
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(LOCK_AT_COMMIT))
    yield
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DROP FUNCTION wait_at_commit CASCADE"))


@pytest.mark.usefixtures("_commits_wait")
def test_an_import_whose_deadline_passes_during_the_commit_is_answered(
    system_without_bus, impatient_api
):
    before = stored(system_without_bus)
    with rival(system_without_bus.app) as holder, importing(impatient_api) as answer:
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        holder.wait_until_waited_for()
        started = holder.scalar("SELECT clock_timestamp()")
        wait_until(lambda: (holder.scalar("SELECT clock_timestamp()") - started) > PAST_DEADLINE)
        holder.give_way()
        reply = answer.result(WAIT_SECONDS)
    assert (reply.status, reply.body["created"]) == (200, 1)
    assert stored(system_without_bus) == [count + 1 for count in before]


def test_twenty_importers_leave_logins_and_health_unharmed(system_without_bus):
    api = system_without_bus.start_api(workers=1)
    rows = [[f"Town {number}", "Reno", "Steel"] for number in range(400)]
    file = workbook([HEADER, *rows])
    login = {"email": "erin@billor.example", "password": "a-good-long-password"}
    assert api.client.post("/users", {"name": "Erin"} | login).status == 201
    assert api.client.get("/readyz").status == 200

    def send(number: int) -> Reply:
        key = {"Idempotency-Key": f"import-{number}"}
        return api.client.post("/loads/import", file, **{"Content-Type": XLSX} | key)

    def check(_: int) -> tuple[int, int]:
        return api.client.get("/readyz").status, api.client.post("/auth/login", login).status

    before = stored(system_without_bus)
    with ThreadPoolExecutor(24) as threads:
        imports = [threads.submit(send, number) for number in range(20)]
        checks = list(threads.map(check, range(8)))
        replies = [each.result(WAIT_SECONDS) for each in imports]
    assert checks == [(200, 200)] * 8
    created = [reply for reply in replies if reply.status == 200]
    busy = [reply for reply in replies if reply.status == 503]
    assert len(created) >= 2
    assert len(created) + len(busy) == 20
    assert {reply.body["code"] for reply in busy} <= {"imports_busy"}
    assert {reply.headers["Retry-After"] for reply in busy} <= {"1"}
    count = len(created)
    assert stored(system_without_bus) == [
        before[0] + count * len(rows),
        before[1] + count * len(rows),
        before[2] + count,
    ]
