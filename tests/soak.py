"""`make soak`: the whole system under load and random faults, and then a count.

Nothing may be lost or duplicated, no rule broken, and no request answered with 500. 503 is right
while PostgreSQL is away, and no answer when the process of the request was killed: these are only
counted.
"""

import argparse
import http.client
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from redis import Redis

from scripts.launcher import services
from tests.support.couchdb_server import Fault
from tests.support.system import Dispatcher, Service, System, start_postgresql
from tests.support.worker import wait_until

DISPATCHERS = 4
LONGEST_FAULT_SECONDS = 6
LONGEST_PEACE_SECONDS = 3
CONVERGE_SECONDS = 480
"""More than five minutes, after which lost events are published again."""


class Soak:
    """A system under load, and its faults."""

    def __init__(self, folder: Path, chance: random.Random):
        self._chance = chance
        self._stack = ExitStack()
        emulator = services.pubsub_emulator()
        if emulator is None:
            sys.exit("billor: `make soak` needs Google's Pub/Sub emulator.")
        self.postgresql = self._stopped_at_the_end(start_postgresql(folder / "postgresql"))
        self.redis = self._stopped_at_the_end(Service(services.redis(folder / "redis"), folder))
        self.pubsub = self._stopped_at_the_end(Service(emulator, folder))
        settings = self.postgresql.settings | self.redis.settings | self.pubsub.settings
        (folder / "system").mkdir()
        self.system = self._stack.enter_context(
            System(settings, folder / "system", folder / "compiled")
        )
        self.api = self.system.start_api()
        self.workers = [self.system.supervise_worker() for _ in range(2)]
        self.injected: Counter[str] = Counter()
        self.stop_statuses: Counter[int] = Counter()
        """Exit statuses of terminated workers; -15 is of one that was still starting."""

    def run(self, seconds: float) -> list[Dispatcher]:
        """Inject one fault after the other while dispatchers work; return the dispatchers."""
        faults = self._faults()
        deadline = time.monotonic() + seconds
        with ExitStack() as stack:
            dispatchers = [
                stack.enter_context(Dispatcher(self.system.connect(self.api.client.port), number))
                for number in range(DISPATCHERS)
            ]
            while time.monotonic() < deadline:
                name = self._chance.choice(list(faults))
                self.injected[name] += 1
                print(f"{max(0, deadline - time.monotonic()):6.0f} s left: {name}", flush=True)
                faults[name]()
                time.sleep(self._chance.uniform(0, LONGEST_PEACE_SECONDS))
        return dispatchers

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def _stopped_at_the_end(self, service: Service) -> Service:
        self._stack.callback(service.stop)
        return service

    def _faults(self) -> dict[str, Callable[[], None]]:
        return {
            "API process killed": self._kill_api_process,
            "worker killed": lambda: self._any_worker().kill(),
            "worker terminated": self._stop_worker,
            "PostgreSQL restarted": self.postgresql.restart,
            "PostgreSQL killed": lambda: self._kill(self.postgresql),
            "Redis flushed": self._flush,
            "Redis hung": lambda: self._hang(self.redis),
            "Redis killed": lambda: self._kill(self.redis),
            "Pub/Sub hung": lambda: self._hang(self.pubsub),
            "Pub/Sub killed, all forgotten": lambda: self._kill(self.pubsub),
            **{
                f"CouchDB: {fault.name.lower().replace('_', ' ')}": lambda fault=fault: (
                    self._break_couchdb(fault)
                )
                for fault in Fault
            },
        }

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(0.2, LONGEST_FAULT_SECONDS))

    def _any_worker(self):
        return self._chance.choice(self.workers)

    def _stop_worker(self) -> None:
        worker = self._any_worker()
        ended = len(worker.statuses)
        worker.terminate()
        wait_until(lambda: len(worker.statuses) > ended)
        self.stop_statuses[worker.statuses[ended]] += 1

    def _kill_api_process(self) -> None:
        if children := self.api.children():
            self._chance.choice(children).kill()

    def _hang(self, service: Service) -> None:
        with service.hung():
            self._pause()

    def _kill(self, service: Service) -> None:
        with service.gone():
            self._pause()

    def _flush(self) -> None:
        with closing(Redis.from_url(self.redis.settings["REDIS_URL"])) as client:
            client.flushall()

    def _break_couchdb(self, fault: Fault) -> None:
        self.system.couch.fail(fault)
        try:
            self._pause()
        finally:
            self.system.couch.mend()


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"Seed {arguments.seed}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # Repeatable with its seed; not for secrets.
        soak = Soak(Path(folder), random.Random(arguments.seed))  # noqa: S311
        try:
            dispatchers = soak.run(arguments.minutes * 60)
            return 0 if _report(soak, dispatchers) else 1
        finally:
            soak.close()


def _report(soak: Soak, dispatchers: list[Dispatcher]) -> bool:
    """Wait until the system converges, and print the count; return whether it passed."""
    system = soak.system
    committed = system.committed()
    with suppress(AssertionError):
        wait_until(lambda: system.is_settled(committed), CONVERGE_SECONDS)
        system.assert_notified()
    recorded = system.recorded()
    statuses = Counter(status for each in dispatchers for status in each.statuses)
    unanswered = Counter(type(error).__name__ for each in dispatchers for error in each.failures)
    problems = {
        "unpublished": system.unpublished(),
        "lost": set(committed) - set(recorded),
        "wrong": {id_ for id_, document in recorded.items() if committed.get(id_) != document},
        "not notified": system.assigned(kept=True) - system.notified(),
        "dead letters": system.dead_letters(),
        "errors": {status for status in statuses if status >= 500} - {503},
        "exit statuses": set(soak.stop_statuses) - {0, -15},
    }
    print(f"""
faults injected   {soak.injected.total()}: {dict(soak.injected.most_common())}
requests          {statuses.total() + unanswered.total()}, answered {dict(statuses)}
unanswered        {dict(unanswered)}
events committed  {len(committed)}, documents found {len(recorded)}
notified twice    {(system.notified() - system.assigned()).total()}""")
    found = {name: problem for name, problem in problems.items() if problem}
    if found:
        Path("soak.log").write_text(system.logs)
        print(f"WRONG: {found}. What our processes printed is in soak.log.")
    return not found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (http.client.HTTPException, KeyboardInterrupt) as error:
        sys.exit(f"soak: {type(error).__name__}: {error}")
