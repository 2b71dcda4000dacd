"""The launcher: `python scripts/run.py [demo]`, which `make run` and `make demo` call."""

import signal

# No traceback of a Ctrl-C during the imports below; ignored signals stay ignored, as under nohup.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # Python puts the script's folder there

from scripts.launcher import handle_stop_signals  # noqa: E402


def stop_early(*_) -> None:
    """Stop while the launcher is being imported. Python may swallow an exception there."""
    os.write(sys.stderr.fileno(), b"\nbillor: stopped before anything was started.\n")
    os._exit(1)


if __name__ == "__main__":
    handle_stop_signals(stop_early)
    sys.stdout.reconfigure(errors="replace")  # type: ignore  # for ASCII terminals
    sys.stderr.reconfigure(errors="replace")  # type: ignore
    from scripts.launcher.launcher import main

    sys.exit(main(sys.argv[1:]))
