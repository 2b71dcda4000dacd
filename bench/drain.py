"""Measures how fast workers publish and record waiting events, and what one takes when idle."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

import psutil
from sqlalchemy import text

from bench.contenders import cpu_seconds
from bench.environment import Environment
from billor.audit.service import audit_store
from billor.config import load_config
from billor.embedded import services
from billor.embedded.launcher import PROJECT
from billor.embedded.processes import Child
from billor.events.connect import connect_bus
from billor.extensions import db
from billor.loads.service import create_loads
from billor.worker.relay import IDLE_SECONDS as RELAY_SECONDS

EVENTS = 20_000
ROUNDS = 3
NUMBERS_OF_WORKERS = (1, 2, 4)
LONE_EVENTS = 40
IDLE_SECONDS = 20
STOP_SECONDS = 30
LONGEST_SECONDS = 300
POLL_SECONDS = 0.02
LONE_POLL_SECONDS = 0.002
# The relay publishes events that follow each other sooner together.
LONE_PAUSE_SECONDS = 2 * RELAY_SECONDS
LOAD = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
UNPUBLISHED = "SELECT count(*) FROM load_events WHERE published_at IS NULL"


@dataclass(frozen=True)
class Pass:
    """What all events took: microseconds of an event, from the first one that was settled.

    All but `seconds` is CPU time; `others` is that of the bus and the benchmark.
    """

    start_seconds: float
    seconds: float
    worker: float
    postgresql: float
    others: float


@dataclass(frozen=True)
class Rate:
    """Events per second from the outbox to the audit trail, in the median of some rounds."""

    workers: int
    events_per_second: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Drain:
    """From the outbox to the audit trail.

    `relay` and `consumer` are one worker with one half of the work, all of it waiting. `cores` is
    how many all processes shared. Rates begin with the first event; `start_seconds` is before it.
    """

    cores: int
    relay: Pass
    consumer: Pass
    rates: list[Rate]
    start_seconds: float
    cpu_microseconds: float
    lone_milliseconds: float
    """From the commit of a single event until it is recorded, in the median."""
    megabytes: float
    """Of a worker that has done its share, with all that it shares with others."""
    idle_worker: float
    """Its share of a core."""
    idle_postgresql: float


def drain(environment: Environment) -> Drain:
    """Let workers record many events, on Google's emulator and on SQLite.

    Raises `RuntimeError` where the emulator is not installed.
    """
    emulator = services.pubsub_emulator()
    if emulator is None:
        raise RuntimeError("This needs Google's Pub/Sub emulator, and Java.")
    with ExitStack() as stack:
        bus = Child(emulator, environment.folder / "logs")
        stack.callback(bus.stop)
        bus.wait_until_ready()
        stack.enter_context(environment.app.app_context())
        return _Bench(environment, emulator.settings, psutil.Process(bus.process.pid)).measure()


class _Bench:
    def __init__(
        self, environment: Environment, bus_settings: Mapping[str, str], bus: psutil.Process
    ):
        self._environment = environment
        self._settings = environment.settings | dict(bus_settings)
        self._bus = bus
        connected = connect_bus(load_config(self._settings))
        connected.prepare()  # without a subscription, what a relay publishes would be dropped
        connected.close()
        os.environ.pop("PUBSUB_EMULATOR_HOST", None)  # which other programs would find, too

    def measure(self) -> Drain:
        """Take the rounds in turn."""
        rounds = [self._round() for _ in range(ROUNDS)]
        relay, consumer, *drains = (_middle(passes) for passes in zip(*rounds, strict=True))
        with self._workers(1) as (worker,):
            lone = median(islice(_lone_seconds(), LONE_EVENTS))
            megabytes = worker.memory_info().rss / 1e6
            idle = _idle(worker, self._environment.postgresql)
        return Drain(
            os.cpu_count() or 1,
            relay,
            consumer,
            [
                _rate(number, [passes[2 + place].seconds for passes in rounds])
                for place, number in enumerate(NUMBERS_OF_WORKERS)
            ],
            drains[0].start_seconds,
            drains[0].worker,
            lone * 1000,
            megabytes,
            *idle,
        )

    def _round(self) -> list[Pass]:
        """Drain by one relay and then one consumer, and by some workers that are both."""
        ids = _add_events()
        with self._workers(1, "relay") as workers:
            passes = [self._pass(workers, lambda: sum(_query(UNPUBLISHED)))]
        with self._workers(1, "consumer") as workers:
            passes.append(self._pass(workers, _Unrecorded(ids)))
        for number in NUMBERS_OF_WORKERS:
            unrecorded = _Unrecorded(_add_events())
            with self._workers(number) as workers:
                passes.append(self._pass(workers, unrecorded))
        return passes

    @contextmanager
    def _workers(self, count: int, *role: str) -> Iterator[list[psutil.Process]]:
        """Start workers, and stop them after the block."""
        with ExitStack() as stack:
            processes = []
            for _ in range(count):
                worker = subprocess.Popen(
                    [sys.executable, str(PROJECT / "worker.py"), *role],
                    env={**os.environ, **self._settings, "LOG_LEVEL": "WARNING"},
                    cwd=self._environment.folder,
                )
                stack.callback(worker.wait, STOP_SECONDS)
                stack.callback(worker.terminate)
                processes.append(psutil.Process(worker.pid))
            yield processes

    def _pass(self, workers: Sequence[psutil.Process], left: Callable[[], int]) -> Pass:
        """Wait until no event is left; return what each took."""
        started, all_of_them = time.perf_counter(), left()
        while (remaining := left()) == all_of_them:
            _wait(started)
        began, before = time.perf_counter(), self._cpu(workers)
        while left():
            _wait(started)
        seconds = time.perf_counter() - began
        cpu = [after - used for after, used in zip(self._cpu(workers), before, strict=True)]
        return Pass(began - started, *(used / remaining * 1e6 for used in (seconds, *cpu)))

    def _cpu(self, workers: Sequence[psutil.Process]) -> tuple[float, float, float]:
        ours = psutil.Process().cpu_times()  # without the children, which are the others
        return (
            sum(map(cpu_seconds, workers)),
            cpu_seconds(self._environment.postgresql),
            cpu_seconds(self._bus) + ours.user + ours.system,
        )


class _Unrecorded:
    """Counts the events that are not in the audit trail; asks for the oldest first."""

    def __init__(self, ids: Sequence[str]):
        self._ids = list(ids)

    def __call__(self) -> int:
        while first := self._ids[:500]:
            missing = audit_store().missing(first)
            self._ids[:500] = [id_ for id_ in first if id_ in missing]
            if missing:
                break
        return len(self._ids)


def _add_events() -> list[str]:
    """Commit events; return their ids, the oldest first."""
    for _ in range(EVENTS // 500):
        create_loads([LOAD] * 500)
    db.session.remove()
    ids = _query("SELECT id FROM load_events WHERE published_at IS NULL ORDER BY created_at")
    return [str(id_) for id_ in ids]


def _lone_seconds() -> Iterator[float]:
    """Commit events, each a while after the last was recorded; yield how long that took."""
    while True:
        time.sleep(LONE_PAUSE_SECONDS)
        (load,) = create_loads([LOAD])
        db.session.remove()
        committed = time.perf_counter()
        ids = _query("SELECT id FROM load_events WHERE load_id = :load_id", load_id=load.id)
        while audit_store().missing([str(id_) for id_ in ids]):
            _wait(committed, LONE_POLL_SECONDS)
        yield time.perf_counter() - committed


def _middle(passes: Sequence[Pass]) -> Pass:
    return sorted(passes, key=lambda each: each.seconds)[len(passes) // 2]


def _rate(workers: int, microseconds: Sequence[float]) -> Rate:
    rates = sorted(1e6 / each for each in microseconds)
    return Rate(workers, median(rates), rates[0], rates[-1])


def _query(statement: str, **parameters: Any) -> list:
    values = list(db.session.scalars(text(statement), parameters))
    db.session.remove()
    return values


def _wait(started: float, seconds: float = POLL_SECONDS) -> None:
    if time.perf_counter() - started > LONGEST_SECONDS:
        raise TimeoutError("the workers did not record all events")
    time.sleep(seconds)


def _idle(*processes: psutil.Process) -> list[float]:
    """Return the share of a core that each takes, once all events are confirmed and vacuumed."""
    started = time.perf_counter()
    while sum(_query("SELECT count(*) FROM load_events WHERE recorded_at IS NULL")):
        _wait(started)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    before = [cpu_seconds(process) for process in processes]
    time.sleep(IDLE_SECONDS)
    return [
        (cpu_seconds(process) - cpu) / IDLE_SECONDS
        for process, cpu in zip(processes, before, strict=True)
    ]
