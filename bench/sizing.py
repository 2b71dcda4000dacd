"""Writes the tables of docs/scaling.md, all arithmetic over docs/performance.json.

`python -m bench.sizing` writes them without measuring.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bench.compare import CACHED, UNCACHED, WRITTEN
from bench.tables import table
from billor.embedded.launcher import PROJECT

FIGURES = PROJECT / "docs/performance.json"
PAGE = PROJECT / "docs/scaling.md"
BLOCK = "<!-- {name}: written by python -m bench.sizing -->\n"
END = "<!-- end -->"

# Of requests, pages of loads and assignments. Each write makes all pages old, so that one is in
# Redis if it was read since.
READS, WRITES = 0.95, 0.05
PAGES = 20
HITS = READS / PAGES / (READS / PAGES + WRITES)
REQUESTS_PER_SECOND = (100, 1_000, 3_000, 10_000)
BUSY = 0.6
"""How much of a process is planned for: the rest is for peaks and failed machines."""
PROCESSES_OF_A_POD = 2
POOL = 8
LEAST_PODS, LEAST_WORKERS = 2, 2
REQUESTS = {
    "an API process, pages from Redis": CACHED,
    "an API process, pages from PostgreSQL": UNCACHED,
    "an API process, assignments": WRITTEN,
}
LOADS = (1_000_000, 10_000_000, 100_000_000)


def tables(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return each table by the name of its place in the page."""
    return {
        "processes": _processes(figures),
        "requests": _requests(figures),
        "loads": _loads(figures["storage"]),
        "drains": _drains(figures["queue"]),
    }


def written(page: str, figures: Mapping[str, Any]) -> str:
    """Return the page with new tables."""
    for name, text in tables(figures).items():
        block = re.escape(BLOCK.format(name=name))
        new = f"{BLOCK.format(name=name)}\n{text}\n\n{END}"
        page, count = re.subn(f"{block}.*?{END}", lambda _, new=new: new, page, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"The page has no place for the table of {name}.")
    return page


def write_tables(figures: Mapping[str, Any]) -> None:
    """Write the tables into the page."""
    PAGE.write_text(written(PAGE.read_text(), figures))


def _of_billor(figures: Mapping[str, Any], request: str) -> Mapping[str, float]:
    return next(each for each in figures["requests"][request] if each["contender"] == "Billor")


def _processes(figures: Mapping[str, Any]) -> str:
    drain = figures["drain"]
    rows = [
        *([name, *_cost(_of_billor(figures, request))] for name, request in REQUESTS.items()),
        [
            "a worker, events",
            f"{_per_worker(figures):,.0f}",
            f"{drain['cpu_microseconds']:,.0f}",
            f"{_postgresql_of_an_event(drain):,.0f}",
            "",
            f"{drain['megabytes']:.0f}",
        ],
    ]
    headings = ["", "a second at most", "CPU µs", "PostgreSQL's", "Redis'", "MB"]
    return table(headings, rows)


def _cost(measured: Mapping[str, float]) -> Iterator[str]:
    yield f"{1e6 / measured['cpu_microseconds']:,.0f}"
    for name in ("cpu_microseconds", "postgresql_microseconds", "redis_microseconds"):
        yield f"{measured[name]:,.0f}"
    yield f"{measured['proportional_megabytes']:.0f}"


def _per_worker(figures: Mapping[str, Any]) -> float:
    return next(
        each["with_enough_cores"] for each in figures["queue"]["drains"] if each["workers"] == 1
    )


def _postgresql_of_an_event(drain: Mapping[str, Any]) -> float:
    return drain["relay"]["postgresql"] + drain["consumer"]["postgresql"]


def _requests(figures: Mapping[str, Any]) -> str:
    headings = [
        *("requests/s", "API cores", "API pods", "workers", "PostgreSQL cores", "Redis cores"),
        "connections",
    ]
    return table(headings, [_row(figures, rate) for rate in REQUESTS_PER_SECOND])


def _row(figures: Mapping[str, Any], rate: int) -> list[str]:
    shares = {CACHED: READS * HITS, UNCACHED: READS * (1 - HITS), WRITTEN: WRITES}

    def cores(name: str) -> float:
        used = (share * _of_billor(figures, request)[name] for request, share in shares.items())
        return rate * sum(used) / 1e6

    events = rate * WRITES
    processes = cores("cpu_microseconds") / BUSY
    pods = max(LEAST_PODS, math.ceil(processes / PROCESSES_OF_A_POD))
    workers = max(LEAST_WORKERS, math.ceil(events / BUSY / _per_worker(figures)))
    postgresql = (
        cores("postgresql_microseconds") + events * _postgresql_of_an_event(figures["drain"]) / 1e6
    )
    return [
        f"{rate:,}",
        f"{cores('cpu_microseconds'):.1f}",
        f"{pods}",
        f"{workers}",
        f"{postgresql:.1f}",
        f"{cores('redis_microseconds'):.2f}",
        # A worker is a relay and a consumer, in processes of their own.
        f"{(pods * PROCESSES_OF_A_POD + 2 * workers) * POOL:,}",
    ]


def _loads(stored: Mapping[str, Any]) -> str:
    names = list(stored["tables"])
    rows = [
        [
            f"{loads:,}",
            *(
                f"{size * loads / 1e9:,.1f}"
                for size in (*stored["tables"].values(), sum(stored["tables"].values()))
            ),
            f"{stored['audit'] * loads / 1e9:,.1f}",
        ]
        for loads in LOADS
    ]
    return table(["loads", *(f"`{name}` GB" for name in names), "together", "audit GB"], rows)


def _drains(modelled: Mapping[str, Any]) -> str:
    rows = [
        [
            f"{each['workers']}",
            f"{each['measured']:,.0f}",
            f"{each['predicted']:,.0f}",
            f"{each['predicted'] / each['measured'] - 1:+.0%}",
            f"{each['with_enough_cores']:,.0f}",
        ]
        for each in modelled["drains"]
    ]
    headings = ["workers", "measured events/s", "model", "off by", "with cores of their own"]
    return table(headings, rows)


if __name__ == "__main__":
    write_tables(json.loads(FIGURES.read_text()))
