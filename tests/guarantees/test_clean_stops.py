"""Promise 12: at shutdown, work in progress is finished in time and no request fails."""

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from billor.loads.service import create_loads
from billor.models import db
from tests.support import couchdb_server
from tests.support.couchdb_server import Fault
from tests.support.databases import run_sql
from tests.support.http import HttpClient, Reply
from tests.support.system import LOAD, Dispatcher, Process, System
from tests.support.worker import WAIT_SECONDS, wait_until

IN_FLIGHT = 8
EVENTS = 20
RESTARTS = 1
PACE_SECONDS = 0.01
"""The pause between a client's requests, so that starting processes get some CPU."""
KEEPING, OPENING = 1, 2
"""Clients that keep their connection, and clients that open one per request."""


def make_events(system: System, count: int) -> None:
    load = {"origin": "Dallas, TX", "destination": "Atlanta, GA", "cargo_type": "Dry van"}
    with system.app.app_context():
        create_loads([load] * count)
        db.session.remove()


@contextmanager
def drivers_locked(system: System) -> Iterator[None]:
    """Assignments wait for a lock meanwhile."""
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(text("SELECT id FROM drivers FOR UPDATE"))
        yield


def waiting_for_locks(system: System) -> int:
    query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return len(run_sql(system.app, query))


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:  # reset, if it was just closed
        return True
    return False


def unclaimed(system: System) -> int:
    """The number of unpublished events that no relay has locked."""
    query = "SELECT FROM load_events WHERE published_at IS NULL FOR UPDATE SKIP LOCKED"
    return len(run_sql(system.app, query))


def stopped_together(processes: list[Process]) -> list[int]:
    """Terminate the processes at the same time; return their exit statuses."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(Process.terminate, processes))


def test_gunicorn_finishes_requests_in_flight_at_shutdown(system_without_bus):
    """Half of them wait for a connection of the pool. All take longer than what is idle has."""
    system = system_without_bus
    patient = {"DATABASE_POOL_SIZE": str(IN_FLIGHT // 2), "PGOPTIONS": "-c lock_timeout=1min"}
    api = system.start_api(workers=1, **patient)
    drivers = [api.client.make_driver(f"IN-FLIGHT-{number}") for number in range(IN_FLIGHT)]
    loads = [api.client.make_load() for _ in drivers]
    api.client.close()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        address = "127.0.0.1", api.client.port
        with socket.create_connection(address, WAIT_SECONDS) as idle, drivers_locked(system):
            replies = pool.map(api.client.assign, drivers, loads)
            wait_until(lambda: sum(api.clients()) == IN_FLIGHT + 1)
            wait_until(lambda: waiting_for_locks(system) == IN_FLIGHT // 2)
            api.send(signal.SIGTERM)
            wait_until(lambda: refuses(api.client.port))
            assert idle.recv(1) == b""
        assert [reply.status for reply in replies] == [201] * IN_FLIGHT
    assert api.wait() == 0


def test_api_and_worker_shut_down_in_time_while_services_hang(system, pubsub, redis, monkeypatch):
    """They hang while the worker processes batches."""
    monkeypatch.setattr(couchdb_server, "MAX_HANG_SECONDS", 60)
    api, worker = system.start_api(), system.start_worker()
    make_events(system, 1)
    wait_until(lambda: system.recorded() and system.unpublished() == 0)
    system.couch.fail(Fault.HANG)
    make_events(system, EVENTS)
    system.couch.wait_until_hanging()
    wait_until(lambda: system.unpublished() == 0)
    with ThreadPoolExecutor() as pool, pubsub.hung(), redis.hung():
        audit = pool.submit(api.client.get, "/audit")
        wait_until(lambda: sum(api.clients()) == 2)
        assert api.client.post("/loads", LOAD).status == 201
        wait_until(lambda: unclaimed(system) == 0)
        assert stopped_together([api, worker]) == [0, 0], worker.output
        assert audit.result().status == 503


class FailoverClient(HttpClient):
    """A client of two APIs that fails over only when a connection is refused."""

    def __init__(self, ports: list[int], token: str, *, keeps_connection: bool):
        super().__init__(ports[0], token)
        self._clients = [HttpClient(port, token) for port in ports]
        self._headers = {} if keeps_connection else {"Connection": "close"}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        arguments = (method, path, body)
        time.sleep(PACE_SECONDS)
        try:
            return self._clients[0].request(*arguments, **self._headers, **headers)
        except ConnectionRefusedError:
            self._clients.reverse()
            return self._clients[0].request(*arguments, **self._headers, **headers)

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.mark.slow
def test_a_rolling_restart_fails_no_request(system):
    apis = [system.start_api() for _ in range(2)]
    workers = [system.start_worker() for _ in range(2)]
    ports = [api.client.port for api in apis]
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                closing(FailoverClient(ports, system.token, keeps_connection=number < KEEPING))
            )
            for number in range(KEEPING + OPENING)
        ]
        dispatchers = [Dispatcher(client, number) for number, client in enumerate(clients)]
        with ExitStack() as at_work:
            for dispatcher in dispatchers:
                at_work.enter_context(dispatcher)
            for turn in [0, 1] * RESTARTS:
                dispatchers[turn].wait_for_rounds(5)
                wait_until(lambda: "Worker started" in workers[turn].output)  # noqa: B023
                apis[turn].client.close()
                assert stopped_together([apis[turn], workers[turn]]) == [0, 0]
                workers[turn] = system.start_worker()
                apis[turn] = system.start_api(port=ports[turn])
    failures = [failure for dispatcher in dispatchers for failure in dispatcher.failures]
    statuses = {status for dispatcher in dispatchers for status in dispatcher.statuses}
    assert (failures, statuses) == ([], {200, 201})
    system.assert_converges()
