"""The background worker: `python worker.py`, or only one half: `… relay`, `… consumer`."""

import logging
import os
import sys

from billor.worker.main import main

if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # Not sys.exit, which waits for the threads of Google's client, and those for a bus that hangs.
    os._exit(status)
