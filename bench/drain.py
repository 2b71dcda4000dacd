"""Measures how fast a worker publishes and records waiting events, and what it takes when idle."""

import os
import subprocess
import sys
import time
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
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}


@dataclass(frozen=True)
class Drain:
    """Events per second from the outbox to the audit trail, and shares of a core when idle."""

    events_per_second: float
    cpu_microseconds: float
    idle_worker: float
    idle_postgresql: float


def drain(environment: Environment) -> Drain:
    """Let a worker record many events, on Google's emulator if installed and on SQLite."""
    emulator = services.pubsub_emulator()
    bus = Child(emulator, environment.folder / "logs") if emulator else None
    settings = environment.settings | (dict(emulator.settings) if emulator else {})
    if bus:
        bus.wait_until_ready()
    with environment.app.app_context():
        for _ in range(EVENTS // 500):
            create_loads([LOAD] * 500)
        db.session.remove()
    started = time.perf_counter()
    worker = subprocess.Popen(
        [sys.executable, str(PROJECT / "worker.py")],
        env={**os.environ, **settings, "LOG_LEVEL": "WARNING"},
        cwd=environment.folder,
    )
    try:
        _wait_until_recorded(environment)
        seconds = time.perf_counter() - started
        process = psutil.Process(worker.pid)
        cpu = cpu_seconds(process)
        idle_worker, idle_postgresql = _idle(environment, process)
        return Drain(EVENTS / seconds, cpu / EVENTS * 1e6, idle_worker, idle_postgresql)
    finally:
        worker.terminate()
        worker.wait(STOP_SECONDS)
        if bus:
            bus.stop()


def _wait_until_recorded(environment: Environment) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    waiting = text("SELECT count(*) FROM load_events WHERE published_at IS NULL")
    with environment.app.app_context():
        ids = [str(id_) for id_ in db.session.scalars(text("SELECT id FROM load_events"))]
        while db.session.scalars(waiting).one() or audit_store().missing(ids):
            db.session.rollback()
            if time.monotonic() > deadline:
                raise TimeoutError("the worker did not record all events")
            time.sleep(0.05)
        db.session.remove()


def _idle(environment: Environment, worker: psutil.Process) -> tuple[float, float]:
    time.sleep(2)
    before = cpu_seconds(worker), cpu_seconds(environment.postgresql)
    time.sleep(IDLE_SECONDS)
    after = cpu_seconds(worker), cpu_seconds(environment.postgresql)
    worker_cpu, postgresql_cpu = (
        (late - early) / IDLE_SECONDS for early, late in zip(before, after, strict=True)
    )
    return worker_cpu, postgresql_cpu
