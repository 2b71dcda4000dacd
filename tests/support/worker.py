"""Waiting with a deadline, and workers: in a thread of this process, and as real processes."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TypeVar

import psutil

from billor.config import SETTINGS
from billor.worker.main import Worker
from scripts.launcher.launcher import PROJECT

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


class WorkerProcess:
    """`python worker.py`, its output in a file."""

    def __init__(self, process: subprocess.Popen, log_file: Path):
        self._process = process
        self._log_file = log_file

    @property
    def output(self) -> str:
        return self._log_file.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, signal_number: signal.Signals) -> None:
        self._process.send_signal(signal_number)

    def send_to_a_thread(self, signal_number: signal.Signals) -> None:
        """Send it to a thread other than the first."""
        pid = self._process.pid
        thread = next(t.id for t in psutil.Process(pid).threads() if t.id != pid)
        assert ctypes.CDLL(None).tgkill(pid, thread, signal_number) == 0

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """The exit status."""
        return self._process.wait(seconds)


@contextmanager
def worker_process(
    environment: Mapping[str, str], folder: Path, *arguments: str
) -> Iterator[WorkerProcess]:
    """Run the script in `folder`, with its log, where no developer's `.env` is read.

    It is killed if it still runs at the end of the block.
    """
    log_file = folder / f"worker-{uuid.uuid4()}.log"
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            [sys.executable, str(PROJECT / "worker.py"), *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield WorkerProcess(process, log_file)
        finally:
            process.kill()
