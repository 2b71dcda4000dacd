"""Waiting with a deadline, and workers: in a thread of this process, and as real processes."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TypeVar

from billor.config import SETTINGS
from billor.worker.main import Worker

WAIT_SECONDS = 30
STOP_SECONDS = 30
OUR_SETTINGS = set(SETTINGS)

Answer = TypeVar("Answer")


def wait_until(predicate: Callable[[], Answer], seconds: float = WAIT_SECONDS) -> Answer:
    """Poll until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := predicate()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer


@contextmanager
def running(worker: Worker, status: int = 0) -> Iterator[Thread]:
    """Run a worker in a thread, and stop it after the block; it must end with this status."""
    statuses: list[int] = []
    thread = Thread(target=lambda: statuses.append(worker.run()), name="worker", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        thread.join(WAIT_SECONDS)
    assert statuses == [status]


def python_environment(settings: Mapping[str, str], compiled: Path) -> dict[str, str]:
    """The environment of a Python process with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if name not in OUR_SETTINGS}
    if inherited.pop("PYTHONDONTWRITEBYTECODE", None):
        # Else each process compiles all its imports, which takes longer than the tests.
        inherited["PYTHONPYCACHEPREFIX"] = str(compiled)
    return inherited | settings
