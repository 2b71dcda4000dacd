"""The background worker: `python worker.py`, or only one half: `… relay`, `… consumer`."""

import sys

from billor.events.worker import main

if __name__ == "__main__":
    sys.exit(main())
