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
from bench.contenders import Contender
from bench.environment import Environment
from bench.load_client import Outcome, Request, send
from billor.extensions import db

ROUNDS = 3
SECONDS = 5
PAIRS = 200_000
PAGE = "/loads?limit=50"
PAIRS_SQL = """
    INSERT INTO drivers (name, license_number, status)
    SELECT 'Alex Carter', 'BENCH-' || number, 'ACTIVE' FROM generate_series(1, :count) number;
    INSERT INTO loads (origin, destination, cargo_type, status)
    SELECT 'Dallas, TX', 'Atlanta, GA', 'Dry van', 'OPEN' FROM generate_series(1, :count)
"""


# What the client saw, CPU microseconds per request, and the smallest share of the connections.
Round = tuple[Outcome, float, float]


@dataclass(frozen=True)
class Measurement:
    """The medians of some rounds."""

    contender: str
    requests_per_second: float
    lowest: float
    highest: float
    cpu_microseconds: float
    p50: float
    p99: float
    smallest_share: float
    proportional_megabytes: float
    resident_megabytes: float
    start_seconds: float
    errors: int


def compare(environment: Environment) -> dict[str, list[Measurement]]:
    """Measure both requests; return the measurements of each by its name."""
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

    folder = environment.folder
    with ExitStack() as stack:
        billor = stack.enter_context(contenders.billor(environment.settings, folder))
        fastapi = stack.enter_context(contenders.fastapi(environment.settings, folder))
        body = folder / "page.json"
        body.write_bytes(contenders.get(billor, PAGE, environment.token))
        with_body = {**environment.settings, "BENCH_BODY": str(body)}
        bare = [
            stack.enter_context(start(with_body, folder))
            for start in (contenders.bare_flask, contenders.bare_wsgi)
        ]
        return {
            "GET /loads, cached": measure(
                [billor, fastapi, *bare], lambda: [Request("GET", PAGE)], environment.token
            ),
            "POST /assignments": measure([billor, fastapi], next_assignments, environment.token),
        }


def measure(
    servers: Sequence[Contender],
    requests: Callable[[], Sequence[Request]],
    token: str,
    count: int = ROUNDS,
) -> list[Measurement]:
    """Take rounds in turn, after one that does not count."""
    rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
    for _ in range(count + 1):
        for server in servers:
            rounds[server.name].append(_round(server, requests(), token))
    return [_medians(server, rounds[server.name][1:]) for server in servers]


def _round(server: Contender, requests: Sequence[Request], token: str) -> Round:
    with ThreadPoolExecutor(1) as thread:
        cpu_before = server.cpu_seconds()
        sending = thread.submit(send, server.url, token, requests, SECONDS)
        time.sleep(SECONDS / 2)
        smallest_share = server.shares()[0]
        outcome = sending.result()
        cpu = server.cpu_seconds() - cpu_before
    return outcome, cpu / outcome.requests * 1e6, smallest_share


def _medians(server: Contender, rounds: list[Round]) -> Measurement:
    rates = sorted(outcome.requests / outcome.seconds for outcome, _, _ in rounds)
    return Measurement(
        contender=server.name,
        requests_per_second=median(rates),
        lowest=rates[0],
        highest=rates[-1],
        cpu_microseconds=median(cpu for _, cpu, _ in rounds),
        p50=median(outcome.p50 for outcome, _, _ in rounds),
        p99=median(outcome.p99 for outcome, _, _ in rounds),
        smallest_share=min(share for _, _, share in rounds),
        proportional_megabytes=server.megabytes("pss"),
        resident_megabytes=server.megabytes("rss"),
        start_seconds=server.start_seconds,
        errors=sum(outcome.errors for outcome, _, _ in rounds),
    )
