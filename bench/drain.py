"""Measures how fast workers publish and record waiting events, and what one takes when idle."""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
from sqlalchemy import text

from bench.contenders import cpu_seconds
from bench.environment import Environment
from billor.audit.service import audit_store
from billor.embedded import services
from billor.embedded.launcher import PROJECT
from billor.embedded.processes import Child
from billor.extensions import db
from billor.loads.service import create_loads

EVENTS = 20_000
IDLE_SECONDS = 20
STOP_SECONDS = 30
LONGEST_SECONDS = 300
POLL_SECONDS = 0.02
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}


@dataclass(frozen=True)
class Drain:
    """From the outbox to the audit trail, by one worker and by two, and shares of a core when idle.

    Rates, in events per second, and CPU time begin with the first published event;
    `start_seconds` is the time before it.
    """

    start_seconds: float
    events_per_second: float
    cpu_microseconds: float
    by_two_workers: float
    idle_worker: float
    idle_postgresql: float


def drain(environment: Environment) -> Drain:
    """Let workers record many events, on Google's emulator if installed and on SQLite."""
    with ExitStack() as stack:
        settings = environment.settings
        if emulator := services.pubsub_emulator():
            bus = Child(emulator, environment.folder / "logs")
            stack.callback(bus.stop)
            bus.wait_until_ready()
            settings = settings | dict(emulator.settings)
        stack.enter_context(environment.app.app_context())
        with _workers(2, environment, settings) as pair:
            _, by_two, _ = _record(pair)
        with _workers(1, environment, settings) as alone:
            start, by_one, cpu = _record(alone)
            idle = _idle(alone[0], environment.postgresql)
        return Drain(start, by_one, cpu, by_two, *idle)


@contextmanager
def _workers(
    count: int, environment: Environment, settings: Mapping[str, str]
) -> Iterator[list[psutil.Process]]:
    """Add events, start workers, and stop these after the block."""
    for _ in range(EVENTS // 500):
        create_loads([LOAD] * 500)
    db.session.remove()
    with ExitStack() as stack:
        processes = []
        for _ in range(count):
            worker = subprocess.Popen(
                [sys.executable, str(PROJECT / "worker.py")],
                env={**os.environ, **settings, "LOG_LEVEL": "WARNING"},
                cwd=environment.folder,
            )
            stack.callback(worker.wait, STOP_SECONDS)
            stack.callback(worker.terminate)
            processes.append(psutil.Process(worker.pid))
        yield processes


def _record(workers: Collection[psutil.Process]) -> tuple[float, float, float]:
    """Wait for all events; return start time, events per second, and CPU µs of an event."""
    started = time.perf_counter()
    ids = {str(id_) for id_ in _query("SELECT id FROM load_events WHERE published_at IS NULL")}
    while sum(_query("SELECT count(*) FROM load_events WHERE published_at IS NULL")) == EVENTS:
        _wait(started)
    began, cpu = time.perf_counter(), sum(map(cpu_seconds, workers))
    while ids := audit_store().missing(list(ids)):
        _wait(started)
    seconds = time.perf_counter() - began
    cpu = sum(map(cpu_seconds, workers)) - cpu
    return began - started, EVENTS / seconds, cpu / EVENTS * 1e6


def _query(statement: str) -> list:
    values = list(db.session.scalars(text(statement)))
    db.session.remove()
    return values


def _wait(started: float) -> None:
    if time.perf_counter() - started > LONGEST_SECONDS:
        raise TimeoutError("the workers did not record all events")
    time.sleep(POLL_SECONDS)


def _idle(*processes: psutil.Process) -> list[float]:
    """Return the share of a core that each takes, once all events are confirmed."""
    started = time.perf_counter()
    while sum(_query("SELECT count(*) FROM load_events WHERE recorded_at IS NULL")):
        _wait(started)
    before = [cpu_seconds(process) for process in processes]
    time.sleep(IDLE_SECONDS)
    return [
        (cpu_seconds(process) - cpu) / IDLE_SECONDS
        for process, cpu in zip(processes, before, strict=True)
    ]
