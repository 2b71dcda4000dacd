"""All metrics, for Prometheus.

With PROMETHEUS_MULTIPROC_DIR, set by gunicorn.conf.py, each process writes to files in that folder,
and any process exports the sum. Labels have few values: never an id or a path.
"""

import hmac
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Literal
from wsgiref.types import WSGIEnvironment

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Engine, QueuePool, event

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 300, 1800)

disable_created_metrics()  # they double the series, and are unused

Live = partial(Gauge, multiprocess_mode="livesum")
REQUESTS = Counter("billor_http_requests_total", "Requests.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "billor_http_request_duration_seconds", "To the answer.", ["route", "method"], buckets=SECONDS
)
CACHE_PAGES = Counter("billor_cache_pages_total", "Pages looked up: HIT, MISS, BYPASS.", ["status"])
STREAMS = Live("billor_streams", "Open streams of changes.")
CONNECTIONS = Live("billor_database_connections", "Connections to PostgreSQL.", ["state"])
MAX_CONNECTIONS = Live("billor_database_connections_limit", "How many may be in use at once.")
EVENTS_PUBLISHED = Counter("billor_events_published_total", "Events that the bus accepted.")
EVENT_LAG = Histogram(
    "billor_event_lag_seconds", "From a change to a step.", ["step"], buckets=LAG_SECONDS
)
DEAD_LETTERS = Counter("billor_dead_letters_total", "Messages that became dead letters.")
REDELIVERIES = Counter("billor_redeliveries_total", "Messages of events already recorded.")
NACKS = Counter("billor_nacks_total", "Messages that were nacked, to be delivered again.")
REPUBLICATIONS = Counter("billor_republications_total", "Events that were published again.")


def request_answered(route: str | None, method: str, status: str, seconds: float) -> None:
    route, method = route or "none", method if method in METHODS else "other"
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)


def watch_connections(engine: Engine) -> None:
    if isinstance(engine.pool, QueuePool):
        in_use = CONNECTIONS.labels("in_use")
        event.listen(engine, "checkout", lambda *_: in_use.inc())
        event.listen(engine, "checkin", lambda *_: in_use.dec())
        MAX_CONNECTIONS.set(engine.pool.size())


def events_reached(step: Literal["published", "recorded"], happened_at: Iterable[datetime]) -> None:
    """Observe the lag of events that have reached a step now."""
    now, lag = time.time(), EVENT_LAG.labels(step)
    for moment in happened_at:
        lag.observe(max(0.0, now - moment.timestamp()))  # clocks differ


def has_token(environ: WSGIEnvironment, token: str | None) -> bool:
    """Return whether a request has the METRICS_TOKEN, if there is one; in constant time."""
    given = environ.get("HTTP_AUTHORIZATION", "")
    return token is not None and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


# A gauge's name, its text, its label, and its samples by the label's values.
Family = tuple[str, str, str, Mapping[str, float]]


class _Families(Collector):
    def __init__(self, families: Iterable[Family]):
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, text, label, samples in self._families:
            family = GaugeMetricFamily(name, text, labels=[label])
            for value, number in samples.items():
                family.add_metric([value], number)
            yield family


def export(version: str, *found: Family) -> bytes:
    """Return the metrics of all processes that share a folder, or else of this one."""
    shared, found_now = CollectorRegistry(), CollectorRegistry()
    found_now.register(
        _Families([("billor_build_info", "What runs.", "version", {version: 1}), *found])
    )
    try:
        MultiProcessCollector(shared)
    except ValueError:  # there is no folder
        shared = REGISTRY
    return generate_latest(shared) + generate_latest(found_now)
