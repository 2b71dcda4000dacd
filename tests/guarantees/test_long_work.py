"""Work that takes long leaves others unharmed."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from billor.models import IdempotencyKey, Load, LoadEvent, db
from tests.support.http import Reply
from tests.support.system import System
from tests.support.workbooks import workbook
from tests.support.worker import WAIT_SECONDS

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADER = ["origin", "destination", "cargoType"]


def stored(system: System) -> list[int]:
    """The number of loads, of events and of keys."""
    with system.app.app_context(), db.session.begin():
        return [
            db.session.scalar(select(func.count()).select_from(model))
            for model in (Load, LoadEvent, IdempotencyKey)
        ]


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
