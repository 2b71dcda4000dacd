"""Metrics of the running system: complete over all processes, and without anything personal."""

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from billor.embedded.processes import free_port
from billor.health.checks import DEPENDENCIES
from tests.support.exported import Exported
from tests.support.http import HttpClient
from tests.support.system import CLIENTS, Api, Dispatcher, System
from tests.support.tcp_proxy import Direction, TcpProxy
from tests.support.worker import wait_until

TOKEN = "a-token-of-prometheus"
REQUESTS = "billor_http_requests_total"
PROCESSES = 2
PROMETHEUS_SECONDS = 10
# All labels, with what they may say; routes are the app's.
LABELS = {
    "method": r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|other",
    "status": r"[1-5]\d\d|HIT|MISS|BYPASS",
    "le": r"\d+\.\d+|\+Inf",
    "step": r"published|delivered|recorded|confirmed",
    "state": r"in_use|idle|unpublished|unrecorded",
    "dependency": r"postgresql|redis|events|audit",
    "service": r"redis",
    "version": r"\d+\.\d+\.\d+",
}
REQUESTED = (
    "/loads",
    "/loads?origin=Secret",
    "/users/1",
    "/users?email=secret@billor.example",
    "/nowhere/7654321",
    "/readyz",
)


class Monitored(NamedTuple):
    """A running system that has done a bit of everything."""

    system: System
    api: Api
    database: TcpProxy
    folder: Path
    prometheus: HttpClient
    worker: HttpClient

    @property
    def folders(self) -> set[Path]:
        """The folders of metrics of all servers."""
        return set(self.folder.glob("*billor-prometheus-*"))

    @property
    def files(self) -> set[str]:
        """The names of the files of metrics."""
        return {file.name for file in self.folder.glob("billor-prometheus-*/*")}

    def exported(self) -> Exported:
        """What whichever process takes the connection exports."""
        self.prometheus.close()
        return Exported(self.prometheus.get("/metrics").body)

    def exported_by_worker(self) -> Exported:
        return Exported(self.worker.get("/metrics").body)


@pytest.fixture(scope="module")
def monitored(shared_system, tmp_path_factory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("temporary")
    database = TcpProxy.before(shared_system.settings["DATABASE_URL"])
    more = {
        "TMPDIR": str(folder),
        "METRICS_TOKEN": TOKEN,
        "METRICS_PORT": str(free_port()),
        "DATABASE_URL": database.replaced_in(shared_system.settings["DATABASE_URL"]),
    }
    api = shared_system.start_api(PROCESSES, **more)
    shared_system.start_worker(**more)
    prometheus = shared_system.connect(api.client.port)
    worker = shared_system.connect(int(more["METRICS_PORT"]))
    prometheus.token = worker.token = TOKEN
    with Dispatcher(api.client) as dispatcher:
        dispatcher.wait_for_rounds(6)
    for path in REQUESTED:
        api.client.get(path)
    api.client.request("BREW1234", "/loads")
    shared_system.assert_converges()
    with database:
        yield Monitored(shared_system, api, database, folder, prometheus, worker)
        assert api.terminate() == 0
    assert list(folder.glob("billor-prometheus-*")) == []


def test_no_label_tells_of_a_person_or_a_path(monitored):
    routes = {rule.rule for rule in monitored.system.app.url_map.iter_rules()} | {"none"}
    told = {
        label
        for exported in (monitored.exported(), monitored.exported_by_worker())
        for sample in exported.samples
        for label in sample.labels.items()
    }
    assert {name for name, _ in told} == {*LABELS, "route"}
    for name, value in told:
        assert value in routes if name == "route" else re.fullmatch(LABELS[name], value), name


def test_the_worker_measures_each_step_of_an_event(monitored):
    committed = len(monitored.system.committed())

    def confirmed() -> float:
        exported = monitored.exported_by_worker()
        return exported.sum("billor_event_lag_seconds_count", step="confirmed")

    wait_until(lambda: confirmed() >= committed)
    exported = monitored.exported_by_worker()
    assert exported.sum("billor_events_published_total") == committed
    for step in ("published", "delivered", "recorded", "confirmed"):
        assert exported.sum("billor_event_lag_seconds_count", step=step) == committed, step


def test_a_killed_process_takes_no_exported_count_with_it(monitored):
    """Nor does it leave anything behind: its successor goes on with its files."""
    api = monitored.api

    def answered() -> float:
        return monitored.exported().sum(REQUESTS, route="/healthz", status="200")

    def ask_all_processes() -> int:
        clients = [monitored.system.connect(api.client.port) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            replies = list(pool.map(lambda client: client.get("/healthz"), clients))
        shares = api.clients()
        for client in clients:
            client.close()
        return len(replies) if len(shares) == PROCESSES and all(shares) else 0

    asked, before, files = 0, answered(), None
    for _ in range(3):
        in_vain = 0

        def asked_all() -> int:
            nonlocal in_vain
            in_vain += CLIENTS
            return ask_all_processes()

        wait_until(asked_all)
        asked += in_vain
        files = files or monitored.files
        wait_until(lambda total=before + asked: answered() == total)
        assert monitored.files == files
        victim = api.children()[0]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        wait_until(lambda: len(api.children()) == PROCESSES)


def test_a_killed_server_leaves_nothing_after_the_next_start(monitored):
    """While a server that runs keeps its folder."""
    in_use = monitored.folders
    server = {"app": "wsgiref.simple_server:demo_app", "TMPDIR": str(monitored.folder)}
    monitored.system.start_api(1, **server).kill()
    abandoned = monitored.folders - in_use
    assert len(in_use) == len(abandoned) == 1
    successor = monitored.system.start_api(1, **server)
    assert in_use < monitored.folders
    assert not abandoned & monitored.folders
    assert successor.terminate() == 0
    assert monitored.folders == in_use


def test_a_hanging_postgresql_is_told_in_time(monitored):
    def told() -> dict[str, float]:
        asked = time.monotonic()
        samples = monitored.exported().samples
        assert time.monotonic() - asked < PROMETHEUS_SECONDS
        return {
            s.labels["dependency"]: s.value for s in samples if s.name == "billor_dependency_up"
        }

    hold = monitored.database.hold(Direction.ANSWERS, lambda said: b"SELECT 1\0" in said)
    wait_until(lambda: told() == {"postgresql": 0})
    hold.wait()
    wait_until(lambda: told() == dict.fromkeys(DEPENDENCIES, 1))
