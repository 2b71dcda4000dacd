"""All metrics for Prometheus, and their export. Only this module imports its client library.

Under gunicorn, whose master sets PROMETHEUS_MULTIPROC_DIR, each process writes its values into
files of that folder, and whichever is asked exports the sum of all. The files are named by the
number of the process, which its successor takes over: so they stay as many, and no counter goes
down.

Labels have few values, all of them ours: never an id, a path or text of a request.
"""

import collections
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakSet

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import Engine, QueuePool

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
MOST_NOTED = 1000
LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 300, 1800)

_is_shared = values.ValueClass is not values.MutexValue
_process: int | str = "master"
if _is_shared:
    values.ValueClass = values.MultiProcessValue(lambda: _process)
disable_created_metrics()  # a second series for each, which nobody reads
_registry = CollectorRegistry()


class Step(StrEnum):
    """The steps of an event on its way to the audit trail."""

    PUBLISHED = "published"
    DELIVERED = "delivered"
    RECORDED = "recorded"
    CONFIRMED = "confirmed"


REQUESTS = Counter(
    "billor_http_requests_total",
    "Requests that were answered, by the rule of the URL.",
    ["route", "method", "status"],
    registry=_registry,
)
REQUEST_SECONDS = Histogram(
    "billor_http_request_duration_seconds",
    "How long requests took until their answer began.",
    ["route", "method"],
    buckets=REQUEST_BUCKETS,
    registry=_registry,
)
CACHE_PAGES = Counter(
    "billor_cache_pages_total",
    "Pages that were looked up in Redis: HIT, MISS, or BYPASS without Redis.",
    ["status"],
    registry=_registry,
)
CIRCUIT_OPEN = Gauge(
    "billor_circuit_open",
    "Processes that go on without this service.",
    ["service"],
    multiprocess_mode="livesum",
    registry=_registry,
)
STREAMS = Gauge(
    "billor_streams",
    "Open streams of changes.",
    multiprocess_mode="livesum",
    registry=_registry,
)
CONNECTIONS = Gauge(
    "billor_database_connections",
    "Connections to PostgreSQL: in_use, or idle.",
    ["state"],
    multiprocess_mode="livesum",
    registry=_registry,
)
MOST_CONNECTIONS = Gauge(
    "billor_database_connections_limit",
    "How many connections to PostgreSQL may be in use at once.",
    multiprocess_mode="livesum",
    registry=_registry,
)
EVENTS_PUBLISHED = Counter(
    "billor_events_published_total",
    "Events that the bus has accepted.",
    registry=_registry,
)
EVENT_LAG_SECONDS = Histogram(
    "billor_event_lag_seconds",
    "From the change until its event was published, delivered, recorded, confirmed.",
    ["step"],
    buckets=LAG_BUCKETS,
    registry=_registry,
)
BATCH_SECONDS = Histogram(
    "billor_batch_duration_seconds",
    "How long the bus took to accept, or the audit store to store, a batch of events.",
    ["step"],
    buckets=BATCH_BUCKETS,
    registry=_registry,
)
DEAD_LETTERS = Counter(
    "billor_dead_letters_total",
    "Messages that became dead letters.",
    registry=_registry,
)
REDELIVERIES = Counter(
    "billor_redeliveries_total",
    "Messages whose event had been recorded before.",
    registry=_registry,
)
NACKS = Counter(
    "billor_nacks_total",
    "Messages that were given back to the bus, to be delivered again.",
    registry=_registry,
)
REPUBLICATIONS = Counter(
    "billor_republications_total",
    "Events that were put back into the outbox, since the bus has lost them or to find out.",
    registry=_registry,
)

_engines: WeakSet[Engine] = WeakSet()
_answered: list[tuple[str | None, str, str, float]] = []
_looked_up: list[str] = []
_counting = Lock()


_duration = cache(REQUEST_SECONDS.labels)
_lag = cache(EVENT_LAG_SECONDS.labels)


def request_answered(route: str | None, method: str, status: str, seconds: float) -> None:
    """Note a request: the rule of its URL, its method, and the three digits of the status."""
    _answered.append((route, method, status, seconds))
    if len(_answered) >= MOST_NOTED:
        _count_noted()


def page_looked_up(status: str) -> None:
    """Note a look into the cache of pages."""
    _looked_up.append(status)


def _count_noted() -> None:
    """Count what was noted. One by one, with cold caches, that takes three times as long."""
    with _counting:
        answered, looked_up = _take(_answered), _take(_looked_up)
    requests: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for route, method, status, seconds in answered:
        request = route or "none", method if method in METHODS else "other"
        requests[*request, status] += 1
        _duration(*request).observe(seconds)
    for labels, count in requests.items():
        REQUESTS.labels(*labels).inc(count)
    for looked_up_as, count in collections.Counter(looked_up).items():
        CACHE_PAGES.labels(looked_up_as).inc(count)


def _take(noted: list[Any]) -> list[Any]:
    """Empty a list to which other threads may be adding."""
    taken = noted[:]
    del noted[: len(taken)]
    return taken


def circuit_is(service: str, *, is_open: bool) -> None:
    """Note the state of this process's circuit breaker of a service."""
    CIRCUIT_OPEN.labels(service.lower()).set(is_open)


def streams_are(count: int) -> None:
    """Note how many streams of changes this process has open."""
    STREAMS.set(count)


def watch_connections(engine: Engine) -> None:
    """Have `measure` look at the pool of an engine, for as long as there is one."""
    _engines.add(engine)


def measure() -> None:
    """Count what was noted, and look at what changes without a word: the pools of connections."""
    _count_noted()
    pools = [engine.pool for engine in _engines if isinstance(engine.pool, QueuePool)]
    CONNECTIONS.labels("in_use").set(sum(pool.checkedout() for pool in pools))
    CONNECTIONS.labels("idle").set(sum(pool.checkedin() for pool in pools))
    MOST_CONNECTIONS.set(sum(pool.size() for pool in pools))


def events_reached(step: Step, happened_at: Iterable[datetime]) -> None:
    """Note that events of these times have reached a step now."""
    now, lag = time.time(), _lag(step)
    for moment in happened_at:
        lag.observe(max(0.0, now - moment.timestamp()))  # clocks differ


def batch_published(happened_at: Iterable[datetime], seconds: float) -> None:
    """Count events of these times that the bus accepted, which took it so long."""
    moments = list(happened_at)
    EVENTS_PUBLISHED.inc(len(moments))
    BATCH_SECONDS.labels(Step.PUBLISHED).observe(seconds)
    events_reached(Step.PUBLISHED, moments)


def batch_recorded(happened_at: Iterable[datetime], seconds: float, *, again: int) -> None:
    """Count new documents of events of these times, and those that were there before."""
    BATCH_SECONDS.labels(Step.RECORDED).observe(seconds)
    REDELIVERIES.inc(again)
    events_reached(Step.RECORDED, happened_at)


def dead_letter_buried() -> None:
    """Count a dead letter."""
    DEAD_LETTERS.inc()


def messages_given_back(count: int) -> None:
    """Count messages that are to be delivered again."""
    NACKS.inc(count)


def events_put_back(count: int) -> None:
    """Count events that are to be published again."""
    REPUBLICATIONS.inc(count)


def use_process_number(number: int) -> None:
    """Write to the files of this number, which no other living process has."""
    global _process
    _process = number


def forget_process(number: int) -> None:
    """Forget what a process had open when it ended. What it has counted stays."""
    if _is_shared:
        mark_process_dead(number)


class Findings(NamedTuple):
    """What health checks have found out, for an export."""

    up: Mapping[str, bool]
    """By dependency, whether it is well."""
    events: Mapping[str, int]
    """How many events wait, by state."""
    oldest_seconds: Mapping[str, float]
    """The age of the oldest of them, 0 if there is none."""


def export(version: str, found: Findings | None = None) -> bytes:
    """Return all metrics of this process, or of all that share a folder, as `CONTENT_TYPE`.

    And what has been found out for them, if anything.
    """
    measure()
    kept = MultiProcessCollector(None) if _is_shared else _registry
    families = [_gauges("billor_build_info", "What runs.", "version", {version: 1})]
    if found:
        families += [
            _gauges("billor_dependency_up", "Whether it is well.", "dependency", found.up),
            _gauges("billor_outbox_events", "Events that wait.", "state", found.events),
            _gauges(
                "billor_outbox_oldest_seconds",
                "The age of the oldest event that waits; 0 if there is none.",
                "state",
                found.oldest_seconds,
            ),
        ]
    return generate_latest(kept) + generate_latest(_Snapshot(families))


def _gauges(name: str, text: str, label: str, samples: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in samples.items():
        family.add_metric([value], number)
    return family


class _Snapshot:
    """Collects what no process keeps."""

    def __init__(self, families: Sequence[GaugeMetricFamily]):
        self._families = families

    def collect(self) -> Sequence[GaugeMetricFamily]:
        return self._families
