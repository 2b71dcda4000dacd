"""Promise 3 in outages: no event is lost and no document duplicated."""

import re

import pytest

from tests.support.couchdb_server import Fault
from tests.support.system import Dispatcher, System
from tests.support.worker import wait_until


def assert_only_our_log_lines(system: System) -> None:
    """Check that no library's lines and no tracebacks were printed.

    But for one that libpq prints, of a connection that a killed PostgreSQL had just accepted.
    """
    ours = re.compile(r"\S+ \S+ [A-Z]+ +billor\.\S+: |FATAL: .* unexpected postmaster exit")
    assert [line for line in system.logs.splitlines() if not ours.match(line)] == []


@pytest.mark.slow
def test_messages_lost_by_the_emulator_are_published_again(system, pubsub):
    """It loses topic, subscription and messages when it restarts."""
    api = system.start_api()
    worker = system.start_worker()
    with Dispatcher(api.client) as dispatcher:
        wait_until(system.recorded)
        # From here on messages are nacked, until the emulator loses them.
        system.couch.fail(Fault.SERVER_ERROR)
        recorded = len(system.recorded())
        wait_until(lambda: len(system.committed()) - system.unpublished() > recorded + 20)
        with pubsub.gone():
            dispatcher.wait_for_rounds(5)
        system.couch.mend()
        dispatcher.wait_for_rounds(5)
    committed = system.assert_converges()
    assert dispatcher.failures == []
    assert set(dispatcher.statuses) == {200, 201}
    assert len(committed) == dispatcher.events
    assert_only_our_log_lines(system)
    assert not worker.has_ended


def test_a_killed_postgresql_loses_nothing_and_ends_no_process(system, postgresql):
    api = system.start_api()
    worker = system.start_worker()
    with Dispatcher(api.client) as dispatcher:
        wait_until(system.recorded)
        with postgresql.gone():
            wait_until(lambda: dispatcher.statuses.count(503) > 3)
            wait_until(lambda: "PostgreSQL is away" in worker.output)
            assert api.client.get("/loads?origin=Nowhere").body["code"] == "database_unavailable"
        dispatcher.wait_for_rounds(3)
    committed = system.assert_converges()
    assert dispatcher.failures == []
    # 409: the request before was committed although its answer was a 503.
    assert set(dispatcher.statuses) <= {200, 201, 409, 503}
    assert {problem["code"] for problem in dispatcher.problems} <= {
        "database_unavailable",
        "database_busy",
        "driver_already_assigned",
    }
    # Every success is stored; a failed request may be stored too.
    done = len([status for status in dispatcher.statuses if status < 300])
    assert done <= len(committed) <= dispatcher.events
    assert_only_our_log_lines(system)
    assert not worker.has_ended
    assert not api.has_ended
