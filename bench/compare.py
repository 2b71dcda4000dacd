"""Compares requests per second, CPU time, latency and balance of Billor and the yardsticks."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from sqlalchemy import text

from bench import contenders
from bench.contenders import Contender, cpu_seconds
from bench.environment import Environment
from bench.load_client import Outcome, Request, send
from billor.extensions import db

ROUNDS = 3
SECONDS = 5
PAIRS = 200_000
PAGE = "/loads?limit=50"
CACHED, UNCACHED, WRITTEN = "GET /loads, cached", "GET /loads, uncached", "POST /assignments"
PAIRS_SQL = """
    INSERT INTO drivers (name, license_number, status)
    SELECT 'Alex Carter', 'BENCH-' || number, 'ACTIVE' FROM generate_series(1, :count) number;
    INSERT INTO loads (origin, destination, cargo_type, status)
    SELECT 'Dallas, TX', 'Atlanta, GA', 'Dry van', 'OPEN' FROM generate_series(1, :count)
"""


@dataclass(frozen=True)
class Round:
    """What the client saw, CPU microseconds of a request, and the smallest share of connections."""

    outcome: Outcome
    server: float
    postgresql: float
    redis: float
    smallest_share: float


@dataclass(frozen=True)
class Measurement:
    """The medians of some rounds."""

    contender: str
    requests_per_second: float
    lowest: float
    highest: float
    cpu_microseconds: float
    postgresql_microseconds: float
    redis_microseconds: float
    p50: float
    p99: float
    smallest_share: float
    proportional_megabytes: float
    resident_megabytes: float
    start_seconds: float
    errors: int


def compare(environment: Environment) -> dict[str, list[Measurement]]:
    """Measure all requests; return the measurements of each by its name."""
    with environment.app.app_context():
        db.session.execute(text(PAIRS_SQL), {"count": PAIRS})
        db.session.commit()
        db.session.remove()

    def assignments() -> Iterator[Request]:
        for id_ in range(1, PAIRS + 1):  # the ids of a new database
            yield Request("POST", "/assignments", json.dumps({"driverId": id_, "loadId": id_}))

    unused = assignments()

    def next_assignments() -> Sequence[Request]:
        return [next(unused) for _ in range(PAIRS // (2 * (ROUNDS + 1)))]

    def page() -> Sequence[Request]:
        return [Request("GET", PAGE)]

    folder = environment.folder
    with ExitStack() as stack:
        billor = stack.enter_context(contenders.billor(environment.settings, folder))
        settings = {**environment.settings, "REDIS_URL": ""}
        (apart := folder / "without-redis").mkdir()
        without_redis = stack.enter_context(contenders.billor(settings, apart))
        fastapi = stack.enter_context(contenders.fastapi(environment.settings, folder))
        body = folder / "page.json"
        body.write_bytes(contenders.get(billor, PAGE, environment.token))
        with_body = {**environment.settings, "BENCH_BODY": str(body)}
        bare = [
            stack.enter_context(start(with_body, folder))
            for start in (contenders.bare_flask, contenders.bare_wsgi)
        ]
        return {
            CACHED: measure([billor, fastapi, *bare], page, environment),
            UNCACHED: measure([without_redis], page, environment),
            WRITTEN: measure([billor, fastapi], next_assignments, environment),
        }


def measure(
    servers: Sequence[Contender],
    requests: Callable[[], Sequence[Request]],
    environment: Environment,
) -> list[Measurement]:
    """Take rounds in turn, after one that does not count."""
    rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
    for _ in range(ROUNDS + 1):
        for server in servers:
            rounds[server.name].append(_round(server, requests(), environment))
    return [_medians(server, rounds[server.name][1:]) for server in servers]


def _round(server: Contender, requests: Sequence[Request], environment: Environment) -> Round:
    def used() -> list[float]:
        return [
            cpu_seconds(process)
            for process in (server.process, environment.postgresql, environment.redis)
        ]

    with ThreadPoolExecutor(1) as thread:
        before = used()
        sending = thread.submit(send, server.url, environment.token, requests, SECONDS)
        time.sleep(SECONDS / 2)
        smallest_share = server.shares()[0]
        outcome = sending.result()
        each = [(after - cpu) * 1e6 for after, cpu in zip(used(), before, strict=True)]
    return Round(outcome, *(cpu / outcome.requests for cpu in each), smallest_share)


def _medians(server: Contender, rounds: list[Round]) -> Measurement:
    rates = sorted(each.outcome.requests / each.outcome.seconds for each in rounds)
    return Measurement(
        contender=server.name,
        requests_per_second=median(rates),
        lowest=rates[0],
        highest=rates[-1],
        cpu_microseconds=median(each.server for each in rounds),
        postgresql_microseconds=median(each.postgresql for each in rounds),
        redis_microseconds=median(each.redis for each in rounds),
        p50=median(each.outcome.p50 for each in rounds),
        p99=median(each.outcome.p99 for each in rounds),
        smallest_share=min(each.smallest_share for each in rounds),
        proportional_megabytes=server.megabytes("pss"),
        resident_megabytes=server.megabytes("rss"),
        start_seconds=server.start_seconds,
        errors=sum(each.outcome.errors for each in rounds),
    )
