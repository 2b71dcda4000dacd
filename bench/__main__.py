"""`make bench`: compares, prints a table, and writes docs/performance.json and .svg."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from bench.compare import Measurement, compare
from bench.drain import drain
from bench.environment import environment
from bench.picture import draw
from billor.embedded.launcher import PROJECT


def main() -> None:
    """Run the command."""
    argparse.ArgumentParser(prog="make bench", description=__doc__).parse_args()
    with environment() as found:
        measured = compare(found)
    with environment() as found:
        drained = drain(found)
    for name, measurements in measured.items():
        print(f"\n{name}\n\n{_table(measurements)}")
    print(
        f"\nA worker recorded {drained.events_per_second:,.0f} events/s with"
        f" {drained.cpu_microseconds:,.0f} µs of CPU each, after a start of"
        f" {drained.start_seconds:.1f} s; two recorded {drained.by_two_workers:,.0f}. Idle, one"
        f" took {drained.idle_worker:.1%} of a core, and PostgreSQL {drained.idle_postgresql:.1%}."
    )
    as_json = {name: [asdict(each) for each in taken] for name, taken in measured.items()}
    document = {"requests": as_json, "drain": asdict(drained)}
    (PROJECT / "docs/performance.json").write_text(json.dumps(document, indent=2) + "\n")
    (PROJECT / "docs/performance.svg").write_text(draw(measured))


def _table(measurements: Sequence[Measurement]) -> str:
    ours = measurements[0].requests_per_second
    lines = [
        "| | requests/s | Billor's | CPU µs | p50 ms | p99 ms | least share | MB | errors |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.contender} | {each.requests_per_second:,.0f} ({each.lowest:,.0f} to"
        f" {each.highest:,.0f}) | {ours / each.requests_per_second:.2f}"
        f" | {each.cpu_microseconds:,.0f} | {each.p50:.1f} | {each.p99:.1f}"
        f" | {each.smallest_share:.0%} | {each.megabytes:.0f} | {each.errors} |"
        for each in measurements
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
