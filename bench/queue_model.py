"""A model of the worker's queues: service times in, latency and backlog out.

It is a discrete simulation, and no formula such as M/M/c's: relay and consumer take what waits in
batches; the two halves of a worker share one core, as Python runs one thread at a time, and all
processes share those of the machine; and how long a backlog lasts has no steady state.

It assumes that the audit store serves several consumers at once, and that all events are alike.
"""

import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice, takewhile
from typing import Any, NamedTuple

from billor.worker.relay import BATCH_SIZE, IDLE_SECONDS

NUMBERS_OF_WORKERS = (1, 2, 4)
SEED = 1
EPSILON = 1e-12
BACKLOG = 20_000
# Events per second, in parts of what the workers can do, and for how long.
LOADS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
OBSERVED_SECONDS = 15
# The audit store is away for so long, at this load in parts of what one worker can do.
OUTAGE_SECONDS = 60
OUTAGE_LOAD = 0.6
SAMPLES = 60


class Phase(NamedTuple):
    """Seconds that a thread goes on, on so many cores; its `own` one is shared within a worker."""

    seconds: float
    cores: float = 0
    is_own: bool = False


@dataclass(frozen=True)
class Half:
    """Seconds that a relay or a consumer takes: for each event, and for each batch besides.

    CPU time of the worker, CPU time of services, and the rest of the time, which is negative where
    services and worker ran at once.
    """

    own: float
    services: float
    rest: float
    batch: float

    @classmethod
    def measured(cls, taken: Mapping[str, float], batch: float) -> "Half":
        """Return a half whose pass over full batches was measured, in microseconds of an event."""
        seconds, own = taken["seconds"] / 1e6, taken["worker"] / 1e6
        services = (taken["postgresql"] + taken["others"]) / 1e6
        return cls(own, services, seconds - batch / BATCH_SIZE - own - services, batch)

    def phases(self, events: int) -> Iterator[Phase]:
        """Yield what a batch goes through."""
        at_once = min(max(0.0, -self.rest), self.services)
        yield Phase(self.own * events, 1 + at_once / self.own, is_own=True)
        yield Phase((self.services - at_once) * events, 1)
        yield Phase(max(0.0, self.rest) * events + self.batch)


@dataclass(eq=False)
class _Thread:
    """The relay or the consumer of a worker, and the batch that it works on."""

    worker: int
    half: Half
    wakes_at: float = 0
    batch: list[float] = field(default_factory=list)
    phases: deque[Phase] = field(default_factory=deque)
    left: float = 0

    def take(self, waiting: deque[float], most: int) -> None:
        self.batch = [waiting.popleft() for _ in range(min(len(waiting), most))]
        self.phases = deque(self.half.phases(len(self.batch)))
        self.left = self.phases[0].seconds

    def advance(self, seconds: float) -> bool:
        """Go on; return whether the batch is done."""
        self.left -= seconds
        while self.phases and self.left <= EPSILON:
            self.phases.popleft()
            self.left = self.phases[0].seconds if self.phases else 0
        return not self.phases


class Recorded(NamedTuple):
    """The seconds at which an event happened and was recorded."""

    happened: float
    recorded: float


class Simulation:
    """Workers on so many cores, whose consumers begin at `consumers_from`."""

    def __init__(
        self,
        halves: tuple[Half, Half],
        workers: int,
        cores: float,
        happening: Iterable[float],
        consumers_from: float = 0,
    ):
        """Take the times of events in ascending order."""
        relay, consumer = halves
        self._random = random.Random(SEED)  # noqa: S311 - no secret
        self._cores = cores
        self._happening = deque(happening)
        self._outbox: deque[float] = deque()
        self._bus: deque[float] = deque()
        self._relays = [
            _Thread(number, relay, self._random.uniform(0, IDLE_SECONDS))
            for number in range(workers)
        ]
        self._consumers = [_Thread(number, consumer, consumers_from) for number in range(workers)]
        self._now = 0.0
        self.recorded: list[Recorded] = []

    def run(self) -> list[Recorded]:
        """Go on until all events are recorded; return them in the order of their recording."""
        total = len(self._happening)
        while len(self.recorded) < total:
            self._begin_batches()
            self._advance()
        return self.recorded

    def _begin_batches(self) -> None:
        while self._happening and self._happening[0] <= self._now + EPSILON:
            self._outbox.append(self._happening.popleft())
        for relay in self._ready(self._relays):
            if self._outbox:
                relay.take(self._outbox, BATCH_SIZE)
        idle = self._ready(self._consumers)
        while idle and self._bus:  # which gives each an equal share
            share = math.ceil(len(self._bus) / len(idle))
            idle.pop().take(self._bus, min(share, BATCH_SIZE))

    def _ready(self, threads: Sequence[_Thread]) -> list[_Thread]:
        now = self._now + EPSILON
        return [each for each in threads if not each.phases and each.wakes_at <= now]

    def _advance(self) -> None:
        """Go on until the next thing happens."""
        paces = list(self._paces())
        wakes = [
            each.wakes_at - self._now
            for each in (*self._relays, *self._consumers)
            if not each.phases and each.wakes_at > self._now
        ]
        seconds = min(
            [
                *(thread.left / pace for thread, pace in paces),
                *wakes,
                *(each - self._now for each in islice(self._happening, 1)),  # relays are told of it
            ]
        )
        self._now += seconds
        for thread, pace in paces:
            if thread.advance(seconds * pace):
                self._settle(thread)

    def _paces(self) -> Iterator[tuple[_Thread, float]]:
        """Yield each busy thread with the share of full speed that it has."""
        busy = [each for each in (*self._relays, *self._consumers) if each.phases]
        own = [each.worker for each in busy if each.phases[0].is_own]
        shares = [1 / own.count(each.worker) if each.phases[0].is_own else 1 for each in busy]
        wanted = sum(each.phases[0].cores * share for each, share in zip(busy, shares, strict=True))
        fits = min(1, self._cores / wanted) if wanted else 1
        for each, share in zip(busy, shares, strict=True):
            yield each, share * fits if each.phases[0].cores else 1

    def _settle(self, thread: _Thread) -> None:
        if thread in self._relays:
            self._bus.extend(thread.batch)
            if not self._outbox:
                thread.wakes_at = self._now + IDLE_SECONDS
        else:
            self.recorded += [Recorded(happened, self._now) for happened in thread.batch]


def rate(halves: tuple[Half, Half], workers: int, cores: float) -> float:
    """Return the events per second of a drain, from the first recorded event to the last."""
    recorded = Simulation(halves, workers, cores, [0.0] * BACKLOG).run()
    first, last = recorded[0].recorded, recorded[-1].recorded
    return sum(each.recorded > first for each in recorded) / (last - first)


def latencies(halves: tuple[Half, Half], workers: int, events_per_second: float) -> list[float]:
    """Return the seconds from change to record, ascending; each worker has cores of its own."""
    happening = _arrivals(events_per_second, OBSERVED_SECONDS)
    recorded = Simulation(halves, workers, math.inf, happening).run()
    return sorted(each.recorded - each.happened for each in recorded)


def backlogs(
    halves: tuple[Half, Half], workers: int, events_per_second: float
) -> list[tuple[float, int]]:
    """Return how many events wait at some seconds, until twice as long after an outage."""
    happening = list(_arrivals(events_per_second, 3 * OUTAGE_SECONDS))
    run = Simulation(halves, workers, math.inf, happening, OUTAGE_SECONDS).run()
    recorded = [each.recorded for each in run]
    moments = [3 * OUTAGE_SECONDS * number / SAMPLES for number in range(SAMPLES + 1)]
    return [(at, bisect_right(happening, at) - bisect_right(recorded, at)) for at in moments]


def _arrivals(events_per_second: float, seconds: float) -> Iterator[float]:
    """Yield the times of independent events (a Poisson process)."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    gaps = iter(lambda: chance.expovariate(events_per_second), None)
    return takewhile(lambda moment: moment < seconds, accumulate(gaps))


def halves_of(drained: Mapping[str, Any]) -> tuple[Half, Half]:
    """Return relay and consumer as `bench/drain.py` measured them.

    What a single event takes is what a batch takes, half of it in either.
    """
    batch = drained["lone_milliseconds"] / 1000 / 2
    return Half.measured(drained["relay"], batch), Half.measured(drained["consumer"], batch)


def model(drained: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the model tells of the drains that were measured, and of workers elsewhere."""
    halves = halves_of(drained)
    alone = {workers: rate(halves, workers, math.inf) for workers in NUMBERS_OF_WORKERS}
    return {
        "drains": [
            {
                "workers": each["workers"],
                "measured": each["events_per_second"],
                "predicted": rate(halves, each["workers"], drained["cores"]),
                "with_enough_cores": alone[each["workers"]],
            }
            for each in drained["rates"]
        ],
        "latencies": [
            _latency(halves, workers, load * alone[workers])
            for workers in NUMBERS_OF_WORKERS
            for load in LOADS
        ],
        "outages": [
            {"workers": workers, "backlog": backlogs(halves, workers, OUTAGE_LOAD * alone[1])}
            for workers in NUMBERS_OF_WORKERS
        ],
    }


def _latency(halves: tuple[Half, Half], workers: int, events_per_second: float) -> dict[str, float]:
    taken = latencies(halves, workers, events_per_second)
    return {
        "workers": workers,
        "events_per_second": events_per_second,
        "p50": taken[len(taken) // 2] * 1000,
        "p99": taken[len(taken) * 99 // 100] * 1000,
    }
