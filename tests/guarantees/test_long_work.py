"""Work that takes long leaves others unharmed."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from billor.api.blocking import MAX_THREADS
from billor.models import IdempotencyKey, Load, LoadEvent, db
from tests.support.http import Reply
from tests.support.system import System
from tests.support.users import make_user
from tests.support.workbooks import workbook
from tests.support.worker import wait_until

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADER = ["origin", "destination", "cargoType", "pickupPhone"]
CSV = b"origin,destination,cargoType\nReno,Dallas,Steel\n"
LOGIN = {"email": "erin@billor.example", "password": "a-good-long-password"}
HANGS = {"hashing": "passwords._normalized", "SQLite": "AuditFilter.start"}
"""What hangs, and a function that it calls in a thread."""
HANGING = """
import tempfile
from pathlib import Path
from billor.audit.store import AuditFilter
from billor.users import passwords

def hang(*arguments):
    tempfile.mkstemp(prefix="hanging-", dir=".")
    Path("gate").read_bytes()
    return arguments[-1]

{} = hang
from wsgi import app
"""


def stored(system: System) -> list[int]:
    """The number of loads, of events and of keys."""
    with system.app.app_context(), db.session.begin():
        return [
            db.session.scalar(select(func.count()).select_from(model))
            for model in (Load, LoadEvent, IdempotencyKey)
        ]


@pytest.fixture
def login(system_without_bus: System) -> dict[str, str]:
    with system_without_bus.app.app_context():
        make_user("Erin", LOGIN["email"], LOGIN["password"])
    return LOGIN


def busy(replies: list[Reply], code: str) -> int:
    """Check that all were done or refused as busy, and return how many were refused."""
    refused = [reply for reply in replies if reply.status == 503]
    assert {reply.body["code"] for reply in refused} <= {code}
    assert {reply.headers["Retry-After"] for reply in refused} <= {"1"}
    assert {reply.status for reply in replies if reply not in refused} == {200}
    return len(refused)


def test_twenty_of_each_leave_lists_and_health_unharmed(system_without_bus, login):
    api = system_without_bus.start_api(workers=1, COUCHDB_URL="")  # with SQLite
    rows = [[f"Town {number}", "Reno", "Steel", "214 555 0123"] for number in range(400)]
    file = workbook([HEADER, *rows])
    assert api.client.get("/readyz").status == 200

    def send(number: int) -> Reply:
        key = {"Idempotency-Key": f"import-{number}"}
        return api.client.post("/loads/import", file, **{"Content-Type": XLSX} | key)

    def check(_: int) -> list[int]:
        paths = ("/readyz", "/loads", "/drivers", "/audit?loadId=1")
        return [api.client.get(path).status for path in paths]

    before = stored(system_without_bus)
    with ThreadPoolExecutor(68) as threads:
        imports = [threads.submit(send, number) for number in range(20)]
        exports = [threads.submit(api.client.get, "/loads.csv") for _ in range(20)]
        logins = [threads.submit(api.client.post, "/auth/login", login) for _ in range(20)]
        checks = list(threads.map(check, range(8)))
    assert checks == [[200] * 4] * 8
    assert busy([each.result() for each in logins], "request_timeout") == 0
    assert busy([each.result() for each in exports], "exports_busy") < 20
    count = 20 - busy([each.result() for each in imports], "imports_busy")
    assert count >= 2
    assert stored(system_without_bus) == [
        before[0] + count * len(rows),
        before[1] + count * len(rows),
        before[2] + count,
    ]


@contextmanager
def gate(folder: Path) -> Iterator[None]:
    """Keep a file whose readers hang until the end of the block."""
    os.mkfifo(folder / "gate")
    writer = os.open(folder / "gate", os.O_RDWR)
    try:
        yield
    finally:
        (folder / "gate").unlink()
        (folder / "gate").touch()
        os.close(writer)


@pytest.mark.parametrize("kind", HANGS)
def test_calls_that_hang_keep_only_their_kind_waiting(system_without_bus, login, kind):
    folder = system_without_bus.folder
    (folder / "hanging.py").write_text(HANGING.format(HANGS[kind]))
    api = system_without_bus.start_api(1, app="hanging:app", COUCHDB_URL="")
    client = api.client
    others = {
        "hashing": partial(client.post, "/auth/login", login),
        "SQLite": partial(client.get, "/audit?loadId=1"),
        "a file": partial(client.post, "/loads/import", CSV, **{"Content-Type": "text/csv"}),
        "a list": partial(client.get, "/drivers"),
        "health": partial(client.get, "/readyz"),
    }
    hanging = others.pop(kind)
    with ThreadPoolExecutor(20) as threads, gate(folder):
        for _ in range(20):
            threads.submit(hanging)
        wait_until(lambda: len(list(folder.glob("hanging-*"))) >= MAX_THREADS)
        for _ in range(5):
            statuses = {name: send().status for name, send in others.items()}
            assert statuses == dict.fromkeys(others, 200)
        assert len(list(folder.glob("hanging-*"))) == MAX_THREADS
    assert hanging().status == 200
