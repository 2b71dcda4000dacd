"""Measures how long the API takes to import files of loads, alone and four at once."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from urllib.request import Request, urlopen

from bench import contenders
from bench.contenders import Contender
from bench.environment import Environment

ROWS = 10_000
ROUNDS = 3
TOGETHER = 4
LONGEST_SECONDS = 120
FILE = (
    "origin,destination,cargoType\n"
    + "".join(f'"Dallas, TX","Atlanta, GA",Dry van {number}\n' for number in range(ROWS))
).encode()


@dataclass(frozen=True)
class Import:
    """Seconds until the answer, to one file alone and to the last of several at once.

    CPU seconds are those of the API, for one file.
    """

    seconds_alone: float
    cpu_seconds: float
    seconds_together: float
    answered: int
    sent: int


def import_files(environment: Environment) -> Import:
    """Send files, one after the other, and then several at once."""
    with contenders.billor(environment.settings, environment.folder) as server:
        _send(server, environment.token)  # does not count
        cpu_before = server.cpu_seconds()
        alone = [_seconds(server, environment.token, 1)[0] for _ in range(ROUNDS)]
        cpu = (server.cpu_seconds() - cpu_before) / ROUNDS
        together = [_seconds(server, environment.token, TOGETHER) for _ in range(ROUNDS)]
        return Import(
            seconds_alone=median(alone),
            cpu_seconds=cpu,
            seconds_together=median(seconds for seconds, _ in together),
            answered=sum(answered for _, answered in together),
            sent=ROUNDS * TOGETHER,
        )


def _seconds(server: Contender, token: str, files: int) -> tuple[float, int]:
    """Send so many at once; return the time until the last answer, and how many succeeded."""
    started = time.perf_counter()
    with ThreadPoolExecutor(files) as threads:
        succeeded = list(threads.map(lambda _: _send(server, token), range(files)))
    return time.perf_counter() - started, sum(succeeded)


def _send(server: Contender, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    request = Request(f"{server.url}/loads/import", FILE, headers)
    try:
        with urlopen(request, timeout=LONGEST_SECONDS) as answer:
            return json.load(answer)["created"] == ROWS
    except OSError:  # refused, or disconnected
        return False
