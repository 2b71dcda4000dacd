"""An open stream has every change, whatever happens around it."""

import http.client
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from billor.changes.feed import MAX_STREAMS_OF_USER
from tests.support.events import Listener
from tests.support.system import Api, System
from tests.support.worker import wait_until

PROCESSES = 2
STREAMS = 8
QUIET = """
from billor.changes import feed
feed.HEARTBEAT_SECONDS = 600
from wsgi import app
"""


@contextmanager
def listeners(api: Api) -> Iterator[list[Listener]]:
    """Open streams until each process has one. What was committed just before may come first."""
    opened: list[Listener] = []
    try:
        while len({process_of(api, each).pid for each in opened}) < PROCESSES:
            opened += [Listener(api.client) for _ in range(STREAMS)]
        load = api.client.make_load()
        for each in opened:
            each.event_of(load)
        yield opened
    finally:
        for each in opened:
            each.close()


@pytest.fixture(scope="module")
def shared_api(shared_system: System) -> Api:
    return shared_system.start_api(PROCESSES)


@pytest.fixture
def api(shared_system: System, shared_api: Api) -> Api:
    shared_system.wait_for_all_processes(shared_api)
    return shared_api


def process_of(api: Api, listener: Listener) -> psutil.Process:
    """The process that serves a stream."""
    (process,) = [
        child
        for child in api.children()
        for connection in child.net_connections("tcp")
        if connection.raddr and connection.raddr.port == listener.local_port
    ]
    return process


def test_streams_say_so_while_postgresql_is_away_and_catch_up(api, postgresql):
    with listeners(api) as opened:
        with postgresql.hung():
            assert {each.next().event for each in opened} == {"stale"}
        assert {each.next().event for each in opened} == {"live"}
        load = api.client.make_load()
        for each in opened:
            each.event_of(load)


def test_a_client_of_a_killed_process_goes_on_elsewhere_without_a_gap(api):
    with listeners(api) as opened:
        told = {each: [each.ready.id] for each in opened}
        first = api.client.make_load()
        for each in opened:
            told[each].append(each.event_of(first).id)
        process_of(api, opened[0]).kill()
        with suppress(OSError, http.client.HTTPException):
            assert opened[0].rest() == []
        wait_until(api.answers)
        missed = [api.client.make_load()["id"] for _ in range(3)]
        again = Listener(api.client, told[opened[0]][-1])
        assert again.ready.data == {"resumed": True}
        assert [event.data["loadId"] for event in again.take(3)] == missed
        again.close()


def leave_by_half_closing(listener: Listener) -> None:
    listener.sock.shutdown(socket.SHUT_WR)


def leave_by_reset(listener: Listener) -> None:
    listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    listener.close()


@pytest.fixture(scope="module")
def quiet_api(shared_system: System) -> Api:
    """Without heartbeats, which would fail to be sent."""
    (shared_system.folder / "quiet.py").write_text(QUIET)
    return shared_system.start_api(workers=1, app="quiet:app")


@pytest.mark.parametrize("leave", [leave_by_half_closing, leave_by_reset])
def test_a_client_that_leaves_frees_its_stream_at_once(quiet_api, leave):
    api = quiet_api
    opened = [Listener(api.client) for _ in range(MAX_STREAMS_OF_USER)]
    assert api.client.get("/changes").status == 503
    for each in opened:
        leave(each)
    wait_until(lambda: b"billor_streams 0.0" in api.client.get("/metrics").body)
    wait_until(lambda: sum(api.clients()) == 1)  # ours, kept alive
    again = [Listener(api.client) for _ in range(MAX_STREAMS_OF_USER)]
    load = api.client.make_load()
    for each in again:
        each.event_of(load)
    for each in opened + again:
        each.close()
    assert "Traceback" not in api.output


def test_a_stop_ends_streams_at_once_and_resets_no_connection(system_without_bus):
    api = system_without_bus.start_whole_api(PROCESSES)
    with listeners(api) as opened:
        api.send(signal.SIGTERM)
        for each in opened:
            assert each.rest() == []  # a reset, or a missing last chunk, would raise
        assert api.wait() == 0
