"""The servers that are compared, over the same PostgreSQL and Redis, with as many processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from billor.embedded.launcher import PROJECT
from billor.embedded.processes import free_port

PROCESSES = 2
START_SECONDS = 30
STOP_SECONDS = 30


@dataclass
class Contender:
    """A running server."""

    name: str
    port: int
    process: psutil.Process
    start_seconds: float = 0
    """From its start to its first answer."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes have taken."""
        return cpu_seconds(self.process)

    def shares(self) -> list[float]:
        """Return the share of the connections that each process has, the smallest first."""
        counts = [
            sum(
                connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == self.port
                for connection in process.net_connections("tcp")
            )
            for process in self.process.children()
        ]
        held = sorted(count for count in counts if count)
        return [count / sum(held) for count in held]

    def megabytes(self, measure: str) -> float:
        """Return the memory of its largest process: `rss`, or `pss`, its share of that."""
        processes = _with_children(self.process)
        return max(getattr(each.memory_full_info(), measure) for each in processes) / 1e6

    def all_megabytes(self) -> float:
        """Return the memory of all its processes together, what they share counted once."""
        return sum(each.memory_full_info().pss for each in _with_children(self.process)) / 1e6


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process and its children have taken, those that ended, too."""
    return sum(sum(each.cpu_times()[:4]) for each in _with_children(process))


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


@contextmanager
def running(
    name: str, argv: list[str], settings: Mapping[str, str], folder: Path
) -> Iterator[Contender]:
    """Start a server, its output in a file, wait until it answers, and stop it after the block.

    `{port}` in its arguments, and the setting PORT, are where it is to listen.
    """
    port = free_port()
    started = time.monotonic()
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
        contender = Contender(name, port, psutil.Process(server.pid))
        try:
            _wait_until_it_answers(contender.url)
        except OSError as error:
            raise RuntimeError(f"{name} did not start: {output.read_text()}") from error
        contender.start_seconds = time.monotonic() - started
        yield contender
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


def billor(settings: Mapping[str, str], folder: Path):
    """Run Billor as in production."""
    return running("Billor", _gunicorn("wsgi:app"), settings, folder)


def bare_wsgi(settings: Mapping[str, str], folder: Path):
    """Run a function that answers with the same bytes, under Billor's server."""
    return running("bare WSGI", _gunicorn("bench.yardsticks.bare_wsgi:app"), settings, folder)


def bare_flask(settings: Mapping[str, str], folder: Path):
    """Run a Flask view that answers with the same bytes from Redis, under Billor's server."""
    return running("bare Flask", _gunicorn("bench.yardsticks.bare_flask:app"), settings, folder)


def fastapi(settings: Mapping[str, str], folder: Path):
    """Run the FastAPI yardstick."""
    options = ["--port={port}", f"--workers={PROCESSES}", "--no-access-log", "--log-level=warning"]
    argv = [sys.executable, "-m", "uvicorn", "bench.yardsticks.fastapi_app:app", *options]
    return running("FastAPI", argv, settings, folder)


def _gunicorn(app: str) -> list[str]:
    return [sys.executable, "-m", "gunicorn", f"--config={PROJECT / 'gunicorn.conf.py'}", app]


def get(contender: Contender, path: str, token: str) -> bytes:
    """Return the body of an answer."""
    request = Request(contender.url + path, headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=10) as answer:
        return answer.read()


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(url, timeout=10).close()
        except HTTPError:
            return  # an answer, too
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
