"""The launcher: `python -m scripts.launcher [demo]`, which `make run` and `make demo` call."""

import signal
import sys

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_early(*_) -> None:
    """Stop while Python still imports."""
    raise SystemExit("\nbillor: stopped before anything was started.")


if __name__ == "__main__":
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
            signal.signal(number, stop_early)
    sys.stdout.reconfigure(errors="replace")  # type: ignore  # what an ASCII terminal cannot show
    sys.stderr.reconfigure(errors="replace")  # type: ignore
    from scripts.launcher.launcher import main

    sys.exit(main(sys.argv[1:]))
