"""Compares the two requests of the budgets with those of a minimal FastAPI service."""

import json
from collections.abc import Iterator
from itertools import repeat
from statistics import median

from sqlalchemy import text

from bench import contenders
from bench.contenders import Contender, cpu_seconds
from bench.environment import Environment, environment
from bench.load_client import Outcome, send
from billor.models import db

ROUNDS = 3
SECONDS = 5
PAIRS = 120_000
HEADINGS = ("", "", "requests/s", "of FastAPI", "CPU µs", "p50 ms", "p99 ms", "PSS MB", "errors")
PAIRS_SQL = """
    SET LOCAL statement_timeout = 0;
    INSERT INTO drivers (name, license_number, status)
    SELECT 'Alex Carter', 'BENCH-' || number, 'ACTIVE' FROM generate_series(1, :count) number;
    INSERT INTO loads (origin, destination, cargo_type, status)
    SELECT 'Dallas, TX', 'Atlanta, GA', 'Dry van', 'OPEN' FROM generate_series(1, :count)
"""


def compare() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Take rounds in turn; return the medians."""
    with environment() as found:
        _add_pairs(found)
        # Of two processes one may have all connections, by chance.
        settings = found.settings | {"WEB_WORKERS": "1"}
        pages, assignments = repeat(("GET", "/loads?limit=50", "")), _assignments()
        with (
            contenders.billor(settings, found.folder) as ours,
            contenders.fastapi(settings, found.folder) as theirs,
        ):
            return HEADINGS, [
                row
                for name, requests in (("GET /loads", pages), ("POST /assignments", assignments))
                for row in _measure(name, [ours, theirs], requests, found)
            ]


def _add_pairs(found: Environment) -> None:
    with found.app.app_context():
        db.session.execute(text(PAIRS_SQL), {"count": PAIRS})
        db.session.commit()
        db.session.remove()


def _assignments() -> Iterator[tuple[str, str, str]]:
    for id_ in range(1, PAIRS + 1):  # the ids of a new database
        yield "POST", "/assignments", json.dumps({"driverId": id_, "loadId": id_})


def _measure(
    name: str,
    servers: list[Contender],
    requests: Iterator[tuple[str, str, str]],
    found: Environment,
) -> Iterator[tuple[str, ...]]:
    rounds = [[_round(server, requests, found) for server in servers] for _ in range(1 + ROUNDS)]
    by_server = list(zip(*rounds[1:], strict=True))  # the first one warms up
    theirs = _rate(by_server[-1])
    for server, taken in zip(servers, by_server, strict=True):
        outcomes = [outcome for outcome, _ in taken]
        yield (
            name,
            server.name,
            f"{_rate(taken):,.0f}",
            f"{_rate(taken) / theirs:.2f}",
            f"{median(cpu for _, cpu in taken):,.0f}",
            f"{median(each.p50 for each in outcomes):.1f}",
            f"{median(each.p99 for each in outcomes):.1f}",
            f"{max(server.megabytes()):.0f}",
            f"{sum(each.errors for each in outcomes)}",
        )


def _rate(taken: tuple[tuple[Outcome, float], ...]) -> float:
    return median(outcome.requests / outcome.seconds for outcome, _ in taken)


def _round(
    server: Contender, requests: Iterator[tuple[str, str, str]], found: Environment
) -> tuple[Outcome, float]:
    """Return what the client saw, and the server's CPU microseconds for a request."""
    before = cpu_seconds(server.process)
    outcome = send(server.url, found.token, requests, SECONDS)
    return outcome, (cpu_seconds(server.process) - before) * 1e6 / outcome.requests
