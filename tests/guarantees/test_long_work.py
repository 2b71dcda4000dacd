"""Work that takes long leaves others unharmed."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from billor.api.blocking import MAX_THREADS
from tests.support.users import make_user
from tests.support.worker import wait_until

CSV = b"origin,destination,cargoType\nReno,Dallas,Steel\n"
LOGIN = {"email": "erin@billor.example", "password": "a-good-long-password"}
HANGING = """
import tempfile
from pathlib import Path
from billor.users import passwords

def hang(*arguments):
    tempfile.mkstemp(prefix="hanging-", dir=".")
    Path("gate").read_bytes()
    return arguments[-1]

passwords._normalized = hang  # which is called in a thread
from wsgi import app
"""


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


def test_calls_that_hang_keep_only_their_kind_waiting(system_without_bus):
    with system_without_bus.app.app_context():
        make_user("Erin", LOGIN["email"], LOGIN["password"])
    folder = system_without_bus.folder
    (folder / "hanging.py").write_text(HANGING)
    api = system_without_bus.start_api(1, app="hanging:app", COUCHDB_URL="")
    client = api.client
    others = {
        "SQLite": partial(client.get, "/audit?loadId=1"),
        "a file": partial(client.post, "/loads/import", CSV, **{"Content-Type": "text/csv"}),
        "a list": partial(client.get, "/drivers"),
        "health": partial(client.get, "/readyz"),
    }
    hanging = partial(client.post, "/auth/login", LOGIN)
    with ThreadPoolExecutor(20) as threads, gate(folder):
        for _ in range(20):
            threads.submit(hanging)
        wait_until(lambda: len(list(folder.glob("hanging-*"))) >= MAX_THREADS)
        for _ in range(5):
            statuses = {name: send().status for name, send in others.items()}
            assert statuses == dict.fromkeys(others, 200)
        assert len(list(folder.glob("hanging-*"))) == MAX_THREADS
    assert hanging().status == 200
