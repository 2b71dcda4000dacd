"""The model of the worker's queues, where the answer is known."""

import math
from itertools import pairwise

import pytest

from bench.queue_model import BATCH_SIZE, Half, Simulation, backlogs, latencies, rate

EVENTS = 4_000
# In seconds of an event: 1 ms together, so a worker does 1,000 events a second.
RELAY = Half(own=0.0004, services=0.0, rest=0.0, batch=0.0)
CONSUMER = Half(own=0.0006, services=0.0, rest=0.0, batch=0.0)
HALVES = (RELAY, CONSUMER)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_event_is_recorded_once_after_it_happened(workers):
    happening = [number * 0.0003 for number in range(EVENTS)]
    recorded = Simulation(HALVES, workers, 2, happening).run()
    assert sorted(each.happened for each in recorded) == happening
    assert all(each.recorded > each.happened for each in recorded)
    assert all(before.recorded <= after.recorded for before, after in pairwise(recorded))


def test_the_halves_of_a_worker_share_one_core():
    assert rate(HALVES, 1, math.inf) == pytest.approx(1_000, rel=0.05)


def test_workers_with_cores_of_their_own_add_up():
    assert rate(HALVES, 4, math.inf) == pytest.approx(4_000, rel=0.1)


def test_workers_on_shared_cores_are_as_fast_as_these():
    assert rate(HALVES, 4, 2) == pytest.approx(2_000, rel=0.1)


def test_services_take_their_part_of_the_cores():
    busy = (RELAY, Half(own=0.0006, services=0.001, rest=0.0, batch=0.0))
    assert rate(busy, 4, 2) == pytest.approx(1_000, rel=0.1)


def test_waiting_takes_no_core():
    waiting = (RELAY, Half(own=0.0006, services=0.0, rest=0.0014, batch=0.0))
    assert rate(waiting, 1, 1) == pytest.approx(500, rel=0.1)
    assert rate(waiting, 2, 2) == pytest.approx(1_000, rel=0.1)


@pytest.mark.parametrize("seconds", [900, 650, 500])
def test_a_half_alone_takes_as_long_as_it_was_measured(seconds):
    taken = {"seconds": seconds, "worker": 400, "postgresql": 150, "others": 100}
    half = Half.measured(taken, batch=0.01)
    batch = sum(phase.seconds for phase in half.phases(BATCH_SIZE))
    assert batch == pytest.approx(BATCH_SIZE * seconds / 1e6)
    cpu = sum(phase.seconds * phase.cores for phase in half.phases(BATCH_SIZE))
    assert cpu == pytest.approx(BATCH_SIZE * 650 / 1e6)


def test_a_lone_event_waits_for_nothing_and_the_next_ones_for_each_other():
    happening = [10.0, 10.01, 10.02]
    first, *others = Simulation(HALVES, 1, math.inf, happening).run()
    assert first.recorded == pytest.approx(10.001)
    assert [each.recorded for each in others] == pytest.approx([10.1524] * 2, abs=0.01)


def test_latency_rises_with_the_load():
    medians = [
        taken[len(taken) // 2] for taken in (latencies(HALVES, 1, each) for each in (100, 600, 950))
    ]
    assert medians == sorted(medians)
    assert medians[0] < 0.2


def test_a_backlog_is_what_came_meanwhile_and_then_drains():
    waiting = dict(backlogs(HALVES, 1, 500))
    assert waiting[0] == 0
    assert waiting[60] == pytest.approx(30_000, rel=0.03)
    # Half of the worker's time is left for it, and the relay has published it meanwhile.
    assert 0 < waiting[90] < 20_000
    assert waiting[180] < 500
