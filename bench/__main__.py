"""`python -m bench [NAME …]`: measures, and prints tables. `make bench` measures everything."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.compare import compare
from bench.drain import drain
from bench.scale import scale
from bench.start import start
from bench.streams import streams

Table = tuple[Sequence[str], Iterable[Sequence[str]]]
BENCHMARKS: Mapping[str, Callable[[], Table]] = {
    "requests": compare,
    "drain": drain,
    "scale": scale,
    "streams": streams,
    "start": start,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"There is no {', '.join(unknown)}.")
    for name in names:
        headings, rows = BENCHMARKS[name]()
        print(f"\n## {name}\n\n| {' | '.join(headings)} |")
        print("|" + "---|" * len(headings))
        for row in rows:
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
