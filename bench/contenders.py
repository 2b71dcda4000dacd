"""Servers over the same PostgreSQL and Redis, with as many processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import accepts_connections, free_port

PROCESSES = 2
START_SECONDS = 60


@dataclass(frozen=True)
class Contender:
    name: str
    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def megabytes(self) -> list[float]:
        """Return the memory of its processes, what they share divided between them (PSS)."""
        return [each.memory_full_info().pss / 1e6 for each in _with_children(self.process)]


def cpu_seconds(*processes: psutil.Process) -> float:
    """Return the CPU time that processes and their children have taken."""
    return sum(sum(each.cpu_times()[:4]) for one in processes for each in _with_children(one))


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def billor(settings: Mapping[str, str], folder: Path):
    configuration = f"--config={PROJECT / 'gunicorn.conf.py'}"
    argv = [sys.executable, "-m", "gunicorn", configuration, "wsgi:app"]
    return _running("Billor", argv, settings, folder)


def fastapi(settings: Mapping[str, str], folder: Path):
    workers = f"--workers={settings['WEB_WORKERS']}"
    options = ["--port={port}", workers, "--no-access-log", "--log-level=warning"]
    argv = [sys.executable, "-m", "uvicorn", "bench.yardsticks.fastapi_app:app", *options]
    return _running("FastAPI", argv, settings, folder)


@contextmanager
def _running(
    name: str, argv: list[str], settings: Mapping[str, str], folder: Path
) -> Iterator[Contender]:
    """Start a server, wait until it answers, and stop it after the block."""
    port = free_port()
    output = folder / f"{name}.log"
    with output.open("w") as log:
        server = subprocess.Popen(
            [argument.format(port=port) for argument in argv],
            env={**os.environ, **settings, "PORT": str(port), "PYTHONPATH": str(PROJECT)},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not accepts_connections(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {output.read_text()}")
            time.sleep(0.05)
        yield Contender(name, port, psutil.Process(server.pid))
    finally:
        server.terminate()
        server.wait(30)
