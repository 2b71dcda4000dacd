"""Simultaneous requests, and requests whose answer is lost."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from threading import Barrier

import pytest

from tests.support.holds import Hold
from tests.support.http import HttpClient, Reply
from tests.support.system import Api
from tests.support.worker import WAIT_SECONDS


def at_once(api: Api, calls: Sequence[Callable]) -> list:
    """Make the calls simultaneously, each in a thread with an open connection."""
    clients: list[int] = []
    barrier = Barrier(len(calls), action=lambda: clients.extend(api.clients()))

    def run(call: Callable):
        assert api.client.get("/healthz").status == 200
        barrier.wait(WAIT_SECONDS)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(run, calls))
    assert clients.count(0) < len(clients) - 1, "one process alone proves little"
    return answers


def lose_answer(api: Api, client: HttpClient, hold: Hold, send: Callable[[], Reply]) -> None:
    """Send a request and, once the hold has caught it, kill the process that handles it."""
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(send)
        hold.wait()
        for process in api.children():
            process.kill()
        with pytest.raises((OSError, HTTPException)):
            answer.result(WAIT_SECONDS)
    client.close()  # its other connections broke too
