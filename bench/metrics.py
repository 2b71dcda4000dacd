"""Measures what metrics cost: a cached page with and without them, and an export.

Two servers differ by more than that, so one counts and does not count in turn.
"""

import secrets
import signal
import time
from dataclasses import dataclass
from statistics import median, quantiles

from bench import contenders
from bench.compare import PAGE
from bench.contenders import Contender
from bench.environment import Environment
from bench.load_client import Request, send

PAIRS = 40
SECONDS = 1
EXPORTS = 50
ON, OFF = signal.SIGUSR1, signal.SIGUSR2  # of bench.yardsticks.switched_metrics


@dataclass(frozen=True)
class Metrics:
    """CPU microseconds of the API for a cached page, and milliseconds for an export."""

    with_metrics: float
    without_metrics: float
    quartiles: tuple[float, ...]
    """What part of a page's time they take: the quartiles of the pairs of rounds."""
    export_milliseconds: float


def metrics(environment: Environment) -> Metrics:
    """Take rounds in turn, and then export what was counted."""
    settings = {**environment.settings, "METRICS_TOKEN": secrets.token_hex()}
    token = environment.token
    with contenders.switched_metrics(settings, environment.folder) as server:
        contenders.get(server, PAGE, token)
        _microseconds(server, ON, token)  # does not count
        pairs = []
        for number in range(PAIRS):
            order = (ON, OFF) if number % 2 else (OFF, ON)
            pair = {state: _microseconds(server, state, token) for state in order}
            pairs.append((pair[ON], pair[OFF]))
        return Metrics(
            with_metrics=median(on for on, _ in pairs),
            without_metrics=median(off for _, off in pairs),
            quartiles=tuple(quantiles(on / off - 1 for on, off in pairs)),
            export_milliseconds=median(
                _export_milliseconds(server, settings["METRICS_TOKEN"]) for _ in range(EXPORTS)
            ),
        )


def _microseconds(server: Contender, state: signal.Signals, token: str) -> float:
    """Return the CPU time of a cached page, with metrics ON or OFF."""
    for process in server.process.children():
        process.send_signal(state)
    before = server.cpu_seconds()
    outcome = send(server.url, token, [Request("GET", PAGE)], SECONDS)
    return (server.cpu_seconds() - before) * 1e6 / outcome.requests


def _export_milliseconds(server: Contender, token: str) -> float:
    started = time.perf_counter()
    contenders.get(server, "/metrics", token)
    return (time.perf_counter() - started) * 1000
