"""The launcher's signals: wherever it is, it stops, and with it all that it started."""

import signal
from collections.abc import Iterator

import pytest

from billor.config import load_config
from scripts.launcher import STOP_SIGNALS
from scripts.launcher import launcher as launcher_module
from scripts.launcher.launcher import Launcher, Stopped


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    """A launcher that stops at SIGALRM."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    launcher = Launcher()
    alarm = signal.signal(signal.SIGALRM, launcher._on_signal)
    yield launcher
    signal.signal(signal.SIGALRM, alarm)
    for number, handler in zip(STOP_SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("emulator", [None, "127.0.0.1:8085"])
def test_the_banner_says_that_an_emulator_is_open_to_all_users_of_the_machine(settings, emulator):
    variables = settings | {"PUBSUB_PROJECT_ID": "a-project"}
    if emulator:
        variables["PUBSUB_EMULATOR_HOST"] = emulator
    banner = launcher_module._banner(load_config(variables), [])
    assert ("all users of this machine" in banner) == (emulator is not None)


def test_a_second_signal_ends_at_once_what_takes_long(launcher):
    def migrate_for_ever():
        while True:
            pass

    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    with pytest.raises(Stopped):
        migrate_for_ever()
    signal.setitimer(signal.ITIMER_REAL, 0)
