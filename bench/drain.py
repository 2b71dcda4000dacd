"""Measures how fast a worker records waiting events, a lone event, and its CPU time when idle."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

import psutil
from sqlalchemy import text

from bench.contenders import cpu_seconds
from bench.environment import Environment, environment
from billor.config import load_config
from billor.events.bus import connect_bus
from billor.loads.service import create_loads
from billor.models import db
from scripts.launcher import services
from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import Child

EVENTS = 20_000
ROUNDS = 3
LONE_EVENTS = 40
IDLE_SECONDS = 20
MAX_SECONDS = 300
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
UNRECORDED = "SELECT count(*) FROM load_events WHERE recorded_at IS NULL"
IS_RECORDED = "SELECT bool_and(recorded_at IS NOT NULL) FROM load_events WHERE load_id = :id"
HEADINGS = ("a worker, on Google's emulator and SQLite", "")


def drain() -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Let a worker record many events. Raises `RuntimeError` where the emulator is missing."""
    emulator = services.pubsub_emulator()
    if emulator is None:
        raise RuntimeError("This needs Google's Pub/Sub emulator, and Java.")
    with environment() as found, ExitStack() as stack:
        bus = Child(emulator, found.folder / "logs")
        stack.callback(bus.stop)
        bus.wait_until_ready()
        stack.enter_context(found.app.app_context())
        settings = found.settings | dict(emulator.settings)
        _subscribe(settings)
        rounds = [_round(settings, found) for _ in range(ROUNDS)]
        with _worker(settings, found) as worker:
            lone = median(_lone_milliseconds() for _ in range(LONE_EVENTS))
            idle = _idle_share(worker, found.postgresql)
            memory = worker.memory_full_info().pss / 1e6
    rates, cpu = zip(*rounds, strict=True)
    return HEADINGS, [
        ("events/s", f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"),
        ("CPU µs of an event", f"{median(cpu):,.0f}"),
        ("ms from the commit of a lone event to its document", f"{lone:.0f}"),
        ("idle, of a core, with PostgreSQL", f"{idle:.1%}"),
        ("PSS MB", f"{memory:.0f}"),
    ]


def _subscribe(settings: Mapping[str, str]) -> None:
    """Prepare the bus: without a subscription, what a relay publishes would be dropped."""
    bus = connect_bus(load_config(settings))
    bus.prepare()
    bus.close()
    os.environ.pop("PUBSUB_EMULATOR_HOST", None)  # or other programs would find it


@contextmanager
def _worker(settings: Mapping[str, str], found: Environment) -> Iterator[psutil.Process]:
    worker = subprocess.Popen(
        [sys.executable, str(PROJECT / "worker.py")],
        env={**os.environ, **settings, "LOG_LEVEL": "WARNING"},
        cwd=found.folder,
    )
    try:
        yield psutil.Process(worker.pid)
    finally:
        worker.terminate()
        worker.wait(30)


def _round(settings: Mapping[str, str], found: Environment) -> tuple[float, float]:
    """Return events per second, and CPU microseconds of an event, from the first one recorded."""
    for _ in range(EVENTS // 500):
        create_loads([LOAD] * 500)
    db.session.remove()
    waiting = _ask(UNRECORDED)
    with _worker(settings, found) as worker:
        _wait_until(lambda: _ask(UNRECORDED) < waiting)
        left, began, before = _ask(UNRECORDED), time.perf_counter(), cpu_seconds(worker)
        _wait_until(lambda: not _ask(UNRECORDED))
        seconds = time.perf_counter() - began
        return left / seconds, (cpu_seconds(worker) - before) / left * 1e6


def _lone_milliseconds() -> float:
    time.sleep(0.5)
    (load,) = create_loads([LOAD])
    id_ = load.id
    db.session.remove()
    committed = time.perf_counter()
    _wait_until(lambda: _ask(IS_RECORDED, id=id_), poll_seconds=0.002)
    return (time.perf_counter() - committed) * 1000


def _idle_share(*processes: psutil.Process) -> float:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    before = cpu_seconds(*processes)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(*processes) - before) / IDLE_SECONDS


def _ask(statement: str, **parameters: Any) -> Any:
    with db.engine.connect() as connection:
        return connection.scalar(text(statement), parameters)


def _wait_until(is_done: Callable[[], bool], poll_seconds: float = 0.02) -> None:
    deadline = time.monotonic() + MAX_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError("The worker did not record all events.")
        time.sleep(poll_seconds)
