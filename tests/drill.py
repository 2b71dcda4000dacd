"""`make drill`: a restore as it would be after a disaster, with the time that each step takes.

A system of its own, with as many loads as wished, is backed up under load and then loses PostgreSQL
and the audit store. What the backup has must come back, once, and the system must go on.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from billor.embedded import services
from tests.support.disaster import flask, lose_and_restore
from tests.support.system import Service, System, start_postgresql
from tests.support.worker import wait_until

DISPATCHERS = 4
ROUNDS = 20
RECORD_SECONDS = 1800


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Print how long the block takes."""
    print(f"  {name} … ", end="", flush=True)
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:.1f} s", flush=True)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("--loads", type=int, default=10_000)
    loads = parser.parse_args().loads
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        postgresql = start_postgresql(folder / "postgresql")
        redis = Service(services.redis(folder / "redis"), folder)
        try:
            (folder / "system").mkdir()
            settings = postgresql.settings | redis.settings
            with System(settings, folder / "system", folder / "compiled") as system:
                _run(system, folder / "backup", loads)
        finally:
            redis.stop()
            postgresql.stop()
    return 0


def _run(system: System, folder: Path, loads: int) -> None:
    with timed(f"{loads:,} loads, with their events recorded"):
        flask(system, "seed", "--loads", loads)
        worker = system.start_worker()
        committed = system.committed()
        wait_until(lambda: system.is_settled(committed), RECORD_SECONDS)
        worker.kill()
    lose_and_restore(system, folder, DISPATCHERS, ROUNDS, timed)
    size = sum(file.stat().st_size for file in folder.iterdir())
    events = len(system.committed())
    print(f"{events:,} events, each with its document; the backup has {size:,} bytes.")


if __name__ == "__main__":
    sys.exit(main())
