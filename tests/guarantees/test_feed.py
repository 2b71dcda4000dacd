"""Readers of `GET /events` beside many writers: none misses an event or gets one twice."""

import random
from collections import defaultdict
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import pytest

from billor.events.event import WORK_TYPES
from tests.support.holds import Hold
from tests.support.races import lose_answer
from tests.support.system import CONVERGE_SECONDS, Dispatcher
from tests.support.worker import wait_until

pytestmark = pytest.mark.slow

READERS = 3
WRITERS = 16
KILLS = 6


def test_three_readers_beside_sixteen_writers_and_sigkill_miss_and_repeat_nothing(
    system_without_bus, tmp_path: Path
):
    """Processes are killed at random, one in a commit, whose locks and events hold up others."""
    system = system_without_bus
    hold = Hold(tmp_path, "holding", "INSERT INTO load_events")
    api, holding = system.start_api(3), system.start_api(1, app=f"{hold.module}:app")
    files = [tmp_path / f"read-{number}" for number in range(READERS)]
    readers = [system.supervise_reader(api.client.port, system.token, file) for file in files]
    with ExitStack() as writing:
        dispatchers = [Dispatcher(api.client, number) for number in range(WRITERS)]
        for dispatcher in dispatchers:
            writing.enter_context(dispatcher)
        lose_answer(holding, holding.client, hold, holding.client.make_load)
        for _, reader in zip(range(KILLS), cycle(readers[1:]), strict=False):
            random.choice(api.children()).kill()  # noqa: S311 - not for secrets
            reader.kill()
            dispatchers[-1].wait_for_rounds(1)
    committed = system.committed()
    expected = {id_ for id_, each in committed.items() if each["type"] in WORK_TYPES.values()}
    wait_until(
        lambda: all(expected <= set(file.read_text().split()) for file in files), CONVERGE_SECONDS
    )
    assert any(dispatcher.failures for dispatcher in dispatchers)
    for file in files:
        read = file.read_text().split()
        assert sorted(read) == sorted(expected)
        times = defaultdict(list)
        for event in map(committed.get, read):
            times[event["loadId"]].append(event["timestamp"])
        assert all(each == sorted(each) for each in times.values()), "not as it happened"
