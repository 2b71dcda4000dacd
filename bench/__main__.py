"""`python -m bench [NAME …]`: measures, prints tables, and writes docs/performance.json.

Without names it measures all, as `make bench` does; with some, the other figures stay.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.compare import Measurement, compare
from bench.drain import drain
from bench.environment import environment
from bench.scale import SIZES, scale
from bench.start import start
from bench.streams import STREAMS, streams
from bench.tables import table
from billor.embedded.launcher import PROJECT

FIGURES = PROJECT / "docs/performance.json"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"There is no {', '.join(unknown)}.")
    figures = json.loads(FIGURES.read_text())
    for name in names:
        figures[name] = BENCHMARKS[name]()
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


def _requests() -> dict[str, Any]:
    with environment() as found:
        measured = compare(found)
    for name, measurements in measured.items():
        print(f"\n{name}\n\n{_comparison(measurements)}")
    return {name: [asdict(each) for each in taken] for name, taken in measured.items()}


def _comparison(measurements: Sequence[Measurement]) -> str:
    ours = measurements[0].requests_per_second
    return table(
        [
            *(
                "",
                "requests/s",
                "Billor's",
                "CPU µs",
                "PostgreSQL",
                "Redis",
                "p50 ms",
                "p99 ms",
                "least share",
            ),
            *("PSS MB", "RSS MB", "start s", "errors"),
        ],
        [
            [
                each.contender,
                f"{each.requests_per_second:,.0f} ({each.lowest:,.0f} to {each.highest:,.0f})",
                f"{ours / each.requests_per_second:.2f}",
                f"{each.cpu_microseconds:,.0f}",
                f"{each.postgresql_microseconds:,.0f}",
                f"{each.redis_microseconds:,.0f}",
                f"{each.p50:.1f}",
                f"{each.p99:.1f}",
                f"{each.smallest_share:.0%}",
                f"{each.proportional_megabytes:.0f}",
                f"{each.resident_megabytes:.0f}",
                f"{each.start_seconds:.1f}",
                f"{each.errors}",
            ]
            for each in measurements
        ],
    )


def _scale() -> list[dict[str, Any]]:
    scaled = scale()
    headings = ["milliseconds of", *(f"{loads:,} loads" for loads in SIZES), "ratio"]
    rows = [
        [f"`{each.page}`", *(f"{took:.2f}" for took in each.milliseconds), f"{each.ratio:.2f}"]
        for each in scaled
    ]
    print(f"\n{table(headings, rows)}")
    return [asdict(each) for each in scaled]


def _start() -> dict[str, Any]:
    started = start()
    print(
        f"\nBillor started in {started.launcher:.1f} s; imports took {started.worker_import:.1f} s"
        f" of CPU in the worker, and {started.api_import:.1f} s in the API."
    )
    return asdict(started)


def _drain() -> dict[str, Any]:
    with environment() as found:
        drained = drain(found)
    halves = {"relay": drained.relay, "consumer": drained.consumer}
    rows = [
        [
            name,
            *(f"{took:,.0f}" for took in (each.seconds, each.worker, each.postgresql, each.others)),
        ]
        for name, each in halves.items()
    ]
    print(f"\n{table(['µs of an event', 'time', 'worker', 'PostgreSQL', 'others'], rows)}\n")
    for each in drained.rates:
        print(
            f"{each.workers} recorded {each.events_per_second:,.0f} events/s"
            f" ({each.lowest:,.0f} to {each.highest:,.0f})."
        )
    print(
        f"A worker took {drained.cpu_microseconds:,.0f} µs of CPU for each, after a start of"
        f" {drained.start_seconds:.1f} s, and {drained.megabytes:.0f} MB; a single event was"
        f" recorded after {drained.lone_milliseconds:.0f} ms. Idle, a worker took"
        f" {drained.idle_worker:.1%} of a core, and PostgreSQL {drained.idle_postgresql:.1%}."
    )
    return asdict(drained)


def _streams() -> dict[str, Any]:
    with environment() as found:
        measured = streams(found)
    print(
        f"\n{STREAMS} streams took {measured.megabytes:.1f} MB. Idle, API and PostgreSQL took"
        f" {measured.share_with:.1%} of a core with them, {measured.share_without:.1%} without."
        f" The last stream told of a change {measured.p50:.0f} ms after its commit in the median,"
        f" and {measured.p99:.0f} ms at p99; telling all took {measured.cpu_milliseconds:.0f} ms"
        f" of CPU. Of an import each got {measured.bytes_of_import:,.0f} bytes."
    )
    return asdict(measured)


BENCHMARKS: Mapping[str, Callable[[], Any]] = {
    "requests": _requests,
    "scale": _scale,
    "start": _start,
    "drain": _drain,
    "streams": _streams,
}

if __name__ == "__main__":
    main()
