"""Metrics of the running system: complete over all processes, and without anything personal."""

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.launcher.processes import free_port
from tests.support.exported import Exported
from tests.support.http import HttpClient
from tests.support.system import CLIENTS, Api, Dispatcher, System
from tests.support.worker import wait_until

TOKEN = "a-token-of-prometheus"
REQUESTS = "billor_http_requests_total"
PROCESSES = 2
# All labels of ours, with what they may say; routes are the app's.
LABELS = {
    "method": r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|other",
    "status": r"[1-5]\d\d|HIT|MISS|BYPASS",
    "le": r"\d+\.\d+|\+Inf",
    "step": r"published|recorded",
    "state": r"in_use|unpublished|unrecorded",
    "dependency": r"postgresql|redis|events|audit",
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
    folder: Path
    clients: list[HttpClient]
    """Of Prometheus, at the API and at the worker."""

    def exported(self, where: int = 0) -> Exported:
        """What the worker exports, or whichever process of the API takes the connection."""
        self.clients[where].close()
        return Exported(self.clients[where].get("/metrics").body)


@pytest.fixture(scope="module")
def monitored(shared_system, tmp_path_factory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("temporary")
    more = {"TMPDIR": str(folder), "METRICS_TOKEN": TOKEN, "METRICS_PORT": str(free_port())}
    api = shared_system.start_api(PROCESSES, **more)
    shared_system.start_worker(**more)
    clients = [shared_system.connect(int(port)) for port in (api.client.port, more["METRICS_PORT"])]
    for client in clients:
        client.token = TOKEN
    with Dispatcher(api.client) as dispatcher:
        dispatcher.wait_for_rounds(6)
    for path in REQUESTED:
        api.client.get(path)
    api.client.request("BREW1234", "/loads")
    shared_system.assert_converges()
    yield Monitored(shared_system, api, folder, clients)
    assert api.terminate() == 0
    assert list(folder.glob("billor-metrics-*")) == []


def test_no_label_names_a_person_or_a_path(monitored):
    routes = {rule.rule for rule in monitored.system.app.url_map.iter_rules()} | {"none"}
    labels = {
        label
        for where in range(2)
        for sample in monitored.exported(where).samples
        for label in sample.labels.items()
        if sample.name.startswith("billor_")
    }
    assert {name for name, _ in labels} == {*LABELS, "route"}
    for name, value in labels:
        assert value in routes if name == "route" else re.fullmatch(LABELS[name], value), name


def test_a_killed_process_takes_no_exported_count_with_it(monitored):
    api = monitored.api

    def answered() -> float:
        return monitored.exported().sum(REQUESTS, route="/healthz", status="200")

    def ask_all_processes() -> bool:
        nonlocal asked
        clients = [monitored.system.connect(api.client.port) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            asked += len(list(pool.map(lambda client: client.get("/healthz"), clients)))
        shares = api.clients()
        for client in clients:
            client.close()
        return len(shares) == PROCESSES and all(shares)

    asked, before = 0, answered()
    for _ in range(2):
        wait_until(ask_all_processes)
        wait_until(lambda: answered() == before + asked)
        victim = api.children()[0]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        wait_until(lambda: len(api.children()) == PROCESSES)
    streams = f"gauge_livesum_{victim.pid}.db"
    wait_until(lambda: not list(monitored.folder.glob(f"billor-metrics-*/{streams}")))
