"""The launcher that runs the whole system on one machine: `scripts/run.py`.

The app does not depend on it; embedded services are URLs like any others.
"""

import signal
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handle_stop_signals(handler: Callable[..., None]) -> None:
    """Handle the signals that stop us, except those that are ignored, like SIGHUP under nohup."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
