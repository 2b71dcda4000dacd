"""The circuit breaker: opening, closing, and calls in between."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from billor.cache import circuit_breaker
from billor.cache.circuit_breaker import CircuitBreaker, CircuitOpen
from tests.support.worker import WAIT_SECONDS, wait_until


class Service:
    """Raises errors while it is down."""

    def __init__(self):
        self.is_down = False
        self.calls = 0
        self.recoveries = 0

    def use(self) -> None:
        self.calls += 1
        if self.is_down:
            raise ConnectionError("the service is down")

    def recover(self) -> None:
        self.use()
        self.recoveries += 1


def refusal(error: Exception) -> str | None:
    return "not you" if isinstance(error, ConnectionRefusedError) else None


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def breaker(service, monkeypatch) -> CircuitBreaker:
    """A circuit breaker that closes only by `try_to_close`."""
    monkeypatch.setattr(circuit_breaker, "PROBE_SECONDS", 600)
    return CircuitBreaker("The service", service.recover, ConnectionError, refusal)


def call(breaker: CircuitBreaker, service: Service) -> None:
    with breaker.call():
        service.use()


def open_circuit(breaker: CircuitBreaker, service: Service) -> None:
    service.is_down = True
    with pytest.raises(CircuitOpen):
        call(breaker, service)
    assert breaker.is_open


def test_a_closed_circuit_lets_calls_through(breaker, service):
    call(breaker, service)
    assert (service.calls, breaker.is_open) == (1, False)


def test_an_open_circuit_makes_no_calls(breaker, service):
    open_circuit(breaker, service)
    service.is_down = False
    with pytest.raises(CircuitOpen):
        call(breaker, service)
    assert service.calls == 1


def test_an_unrelated_error_does_not_open_the_circuit(breaker):
    with pytest.raises(KeyError), breaker.call():
        raise KeyError
    assert not breaker.is_open


def test_the_circuit_closes_when_the_service_recovers(breaker, service):
    open_circuit(breaker, service)
    assert not breaker.try_to_close()
    assert breaker.is_open
    service.is_down = False
    assert breaker.try_to_close()
    call(breaker, service)
    assert service.recoveries == 1


def test_a_recovery_required_during_recovery_is_done_again(breaker, service):
    open_circuit(breaker, service)
    service.is_down = False
    breaker._recover = lambda: (service.recover(), breaker.require_recovery())
    assert not breaker.try_to_close()
    breaker._recover = service.recover
    assert breaker.try_to_close()
    assert service.recoveries == 2


def test_a_closed_circuit_needs_no_recovery(breaker, service):
    assert breaker.require_recovery() is False
    assert breaker.try_to_close()
    assert service.recoveries == 0


def test_one_recovery_closes_the_circuit_for_all_who_try(breaker, service):
    open_circuit(breaker, service)
    service.is_down = False
    recovering = Barrier(2)

    def recover_slowly():
        recovering.wait(WAIT_SECONDS)
        service.recover()

    breaker._recover = recover_slowly
    with ThreadPoolExecutor() as pool:
        first = pool.submit(breaker.try_to_close)
        second = pool.submit(breaker.try_to_close)
        recovering.wait(WAIT_SECONDS)
        assert first.result(WAIT_SECONDS)
        assert second.result(WAIT_SECONDS)
    assert service.recoveries == 1


def test_the_circuit_closes_by_itself_and_logs_each_change_once(service, monkeypatch, caplog):
    caplog.set_level("INFO", "billor")
    monkeypatch.setattr(circuit_breaker, "PROBE_SECONDS", 0.01)
    breaker = CircuitBreaker("The service", service.recover, ConnectionError, refusal)
    open_circuit(breaker, service)
    wait_until(lambda: service.calls > 3)
    assert breaker.is_open
    service.is_down = False
    wait_until(lambda: not breaker.is_open)
    wait_until(lambda: len(caplog.records) == 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_refusal_is_logged_as_what_it_is(breaker, caplog):
    with pytest.raises(CircuitOpen), breaker.call():
        raise ConnectionRefusedError
    assert caplog.messages == ["The service refuses, going on without it: not you"]
