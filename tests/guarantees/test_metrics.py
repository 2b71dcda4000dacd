"""Metrics of the running system are complete over all processes."""

import signal
from concurrent.futures import ThreadPoolExecutor

from scripts.launcher.processes import free_port
from tests.support.exported import Exported
from tests.support.http import HttpClient
from tests.support.system import CLIENTS, System
from tests.support.worker import wait_until

TOKEN = "a-token-of-prometheus"
PROCESSES = 2


def exported(client: HttpClient, name: str, **labels: str) -> float:
    """What the worker exports, or whichever process of the API takes the connection."""
    client.close()
    return Exported(client.get("/metrics", Authorization=f"Bearer {TOKEN}").body).sum(
        name, **labels
    )


def test_a_killed_process_takes_no_exported_count_with_it(shared_system: System, tmp_path):
    more = {"TMPDIR": str(tmp_path), "METRICS_TOKEN": TOKEN, "METRICS_PORT": str(free_port())}
    api = shared_system.start_api(PROCESSES, **more)
    shared_system.start_worker(**more)
    api.client.make_load()
    shared_system.assert_converges()
    worker = shared_system.connect(int(more["METRICS_PORT"]))
    assert exported(worker, "billor_events_published_total") == 1
    prometheus = shared_system.connect(api.client.port)

    def answered() -> float:
        requests = "billor_http_requests_total"
        return exported(prometheus, requests, route="/healthz", status="200")

    def ask_all_processes() -> bool:
        nonlocal asked
        clients = [shared_system.connect(api.client.port) for _ in range(CLIENTS)]
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
    wait_until(lambda: not list(tmp_path.glob(f"billor-metrics-*/{streams}")))
    assert api.terminate() == 0
    assert list(tmp_path.glob("billor-metrics-*")) == []
