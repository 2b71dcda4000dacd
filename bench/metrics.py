"""Measures what metrics cost: a cached page with and without them in turn, and an export."""

import secrets
import time
from dataclasses import dataclass
from statistics import median

from bench import contenders
from bench.compare import PAGE, measure
from bench.environment import Environment
from bench.load_client import Request

ROUNDS = 9
EXPORTS = 50


@dataclass(frozen=True)
class Metrics:
    """CPU microseconds of the API for a cached page, and milliseconds for an export."""

    with_metrics: float
    without_metrics: float
    export_milliseconds: float

    @property
    def share(self) -> float:
        """What part of a cached page's time they take."""
        return self.with_metrics / self.without_metrics - 1


def metrics(environment: Environment) -> Metrics:
    """Take rounds in turn, and then export what was counted."""
    settings = {**environment.settings, "METRICS_TOKEN": secrets.token_hex()}
    folder, token = environment.folder, environment.token
    with (
        contenders.billor(settings, folder) as billor,
        contenders.without_metrics(settings, folder) as without,
    ):
        page = [Request("GET", PAGE)]
        for server in (billor, without):
            contenders.get(server, PAGE, token)
        measured = measure([billor, without], lambda: page, environment, ROUNDS)
        return Metrics(
            with_metrics=measured[0].cpu_microseconds,
            without_metrics=measured[1].cpu_microseconds,
            export_milliseconds=median(
                _export_milliseconds(billor, settings["METRICS_TOKEN"]) for _ in range(EXPORTS)
            ),
        )


def _export_milliseconds(server: contenders.Contender, token: str) -> float:
    started = time.perf_counter()
    contenders.get(server, "/metrics", token)
    return (time.perf_counter() - started) * 1000
