"""A picture of the dashboard: `make dashboard`. It goes to docs/images.

API, worker and Prometheus run for two minutes under a mixed load, while one service after the
other is away; then Prometheus is asked for what each panel would show.
"""

import json
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count, groupby
from pathlib import Path
from threading import Event, Thread

from bench.dashboard_picture import Outage, Panel, draw_dashboard
from bench.drawing import Points
from billor.embedded import services
from billor.embedded.launcher import PROJECT
from billor.embedded.processes import Child, free_port
from tests.support.couchdb_server import Fault
from tests.support.events import Listener
from tests.support.exported import DASHBOARD
from tests.support.http import HttpClient
from tests.support.prometheus import Prometheus
from tests.support.system import Api, Service, System, start_postgresql
from tests.support.worker import wait_until

PICTURE = PROJECT / "docs" / "images" / "dashboard.svg"
TOKEN = "a-token-of-prometheus"
PROCESSES = 2
CALLERS, PAUSE_SECONDS = 3, 0.1
PEACE_SECONDS, OUTAGE_SECONDS = 20, 25
SCRAPE_SECONDS = 2
RATE_INTERVAL = "14s"
"""Events are confirmed every ten seconds. Grafana's is a minute, with a scrape in 15 s."""
READS = ("/loads", "/loads", "/loads", "/loads?status=OPEN", "/drivers", "/stats", "/nowhere")
AUDIT_EVERY = 5
"""Seldom, as the tests' CouchDB looks at all documents."""


class Caller(Thread):
    """A client that reads, assigns and completes loads in a loop, with pauses."""

    def __init__(self, client: HttpClient, number: int, stop: Event):
        super().__init__(daemon=True)
        self._client, self._stopping = client, stop
        self._driver = client.make_driver(f"CALLER-{number}")

    def run(self) -> None:
        for number in count():
            if self._stopping.is_set():
                return
            load = self._client.make_load()
            assigned = self._client.assign(self._driver, load).body
            for path in READS:
                self._client.get(path)
                self._stopping.wait(PAUSE_SECONDS)
            if number % AUDIT_EVERY == 0:
                self._client.get(f"/audit?loadId={load['id']}")
            self._client.close_assignment(assigned["id"])


class Run:
    """The system with Prometheus; seconds count from the first scrape."""

    def __init__(self, stack: ExitStack, folder: Path):
        self._stack = stack
        postgresql = start_postgresql(folder / "postgresql")
        self._redis = Service(services.redis(folder), folder)
        emulator = services.pubsub_emulator()
        assert emulator, "Google's Pub/Sub emulator is not installed"
        self._pubsub = Service(emulator, folder)
        for service in (postgresql, self._redis, self._pubsub):
            stack.callback(service.stop)
        settings = postgresql.settings | self._redis.settings | self._pubsub.settings
        (folder / "system").mkdir()
        self._system = stack.enter_context(System(settings, folder / "system", folder / "compiled"))
        more = {"METRICS_TOKEN": TOKEN, "METRICS_PORT": str(free_port())}
        self._api = self._system.start_api(PROCESSES, **more)
        self._system.start_worker(**more)
        targets = {
            "billor-api": f"127.0.0.1:{self._api.client.port}",
            "billor-worker": f"127.0.0.1:{more['METRICS_PORT']}",
        }
        self._prometheus = Prometheus(folder, targets, TOKEN, f"{SCRAPE_SECONDS}s")
        child = Child(self._prometheus.program, folder)
        stack.callback(child.stop)
        child.wait_until_ready()
        wait_until(lambda: len(self._prometheus.query("up == 1")) == len(targets))
        self._began = time.time()
        self.outages: list[Outage] = []

    @property
    def seconds(self) -> float:
        return time.time() - self._began

    def go(self) -> None:
        """Have callers work while Redis, Pub/Sub and CouchDB are away, one after the other."""
        stop = Event()
        callers = [
            Caller(self._system.connect(self._api.client.port), number, stop)
            for number in range(CALLERS)
        ]
        for caller in callers:
            caller.start()
        self._outage("Redis", self._redis.hung)
        with _streams(self._api):
            self._outage("Pub/Sub", self._pubsub.hung)
        self._outage("CouchDB", self._couchdb_broken)
        time.sleep(PEACE_SECONDS)
        stop.set()
        for caller in callers:
            caller.join()

    def _outage(self, name: str, away: Callable[[], AbstractContextManager]) -> None:
        time.sleep(PEACE_SECONDS)
        began = self.seconds
        with away():
            time.sleep(OUTAGE_SECONDS)
        self.outages.append(Outage(name, began, self.seconds))

    @contextmanager
    def _couchdb_broken(self) -> Iterator[None]:
        self._system.couch.fail(Fault.SERVER_ERROR)
        yield
        self._system.couch.mend()

    def panels(self) -> Iterator[Panel]:
        """What Prometheus has for each panel of the dashboard."""
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            unit = panel["fieldConfig"]["defaults"].get("unit", "")
            lines = {}
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
                found = self._prometheus.query_range(
                    expression, self._began, time.time(), SCRAPE_SECONDS
                )
                for series in found:
                    label = _label(target["legendFormat"], series["metric"])
                    if pieces := self._pieces(series["values"]):
                        lines[label] = pieces
            yield Panel(panel["title"], unit, lines)

    def _pieces(self, samples: list) -> list[Points]:
        """Cut where there is no number, as after a division by zero, or no sample."""
        points = [
            (at - self._began, float(value))
            for at, value in samples
            if value not in ("NaN", "+Inf")
        ]
        numbered = enumerate(points)
        runs = groupby(numbered, lambda each: round(each[1][0] / SCRAPE_SECONDS) - each[0])
        return [[point for _, point in run] for _, run in runs]


def _label(template: str, labels: dict[str, str]) -> str:
    if template == "__auto":
        return ", ".join(labels.values()) or "value"
    return re.sub(r"{{(\w+)}}", lambda name: labels[name[1]], template)


@contextmanager
def _streams(api: Api) -> Iterator[None]:
    """Keep some streams open in the block."""
    with ExitStack() as stack:
        for _ in range(CALLERS):
            stack.callback(Listener(api.client).close)
        yield


def main() -> None:
    """Run everything, and draw the picture."""
    with ExitStack() as stack:
        run = Run(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        run.go()
        PICTURE.write_text(
            draw_dashboard(list(run.panels()), run.outages, math.ceil(run.seconds / 10) * 10)
        )


if __name__ == "__main__":
    main()
