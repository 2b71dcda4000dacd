"""Promise 3 under SIGKILL: no event is lost and no document duplicated.

Processes are killed at the worst moment while dispatchers assign and complete loads over HTTP; at
the end every committed event has exactly one audit document, and there are no others.
"""

import pytest

from tests.support.holds import Hold
from tests.support.system import Dispatcher, Process
from tests.support.worker import wait_until

pytestmark = pytest.mark.slow

STARTED = "Worker started"
NOTIFIED = "SET notified_at=clock_timestamp()"
CLAIMED = "SET published_at=clock_timestamp()"
BACKLOG_ROUNDS = 10
LEASE_SECONDS = 60
"""How long Pub/Sub may wait before it redelivers the messages of a killed consumer."""


def wait_until_started(worker: Process) -> None:
    wait_until(lambda: STARTED in worker.output)


def test_sigkill_of_a_relay_while_publishing_loses_nothing_and_blocks_no_other(system):
    api = system.start_api()
    wait_until_started(system.start_worker("consumer"))
    with Dispatcher(api.client) as dispatcher:
        dispatcher.wait_for_rounds(BACKLOG_ROUNDS)

        # Killed after publishing, before the commit.
        before = Hold(system.folder, "before", CLAIMED)
        holding = system.start_worker("relay", module=before.module)
        before.wait()
        other = system.start_worker("relay")
        wait_until_started(other)
        held = system.unpublished()
        dispatcher.wait_for_rounds(1)
        wait_until(lambda: 0 < system.unpublished() <= held)  # the other publishes what is new
        holding.kill()
        wait_until(lambda: system.unpublished() == 0)

        # Killed after the commit, before its answer.
        other.kill()
        after = Hold(system.folder, "after", CLAIMED, is_done=True)
        holding = system.start_worker("relay", module=after.module)
        after.wait()
        holding.kill()
        dispatcher.wait_for_rounds(1)
        system.start_worker("relay")
    system.assert_converges()


def test_sigkill_between_notifying_and_marking_notifies_again(system):
    api = system.start_api()
    driver, load = api.client.make_driver("TX-1"), api.client.make_load()
    system.start_worker("relay")
    hold = Hold(system.folder, "holding", NOTIFIED)
    consumer = system.start_worker("consumer", module=hold.module)
    assert api.client.assign(driver, load).status == 201
    hold.wait()
    assert system.notified() == {load["id"]: 1}
    consumer.kill()

    system.start_worker("consumer")
    wait_until(lambda: system.notified() == {load["id"]: 2}, LEASE_SECONDS)
    system.assert_converges()
