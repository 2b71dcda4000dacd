"""The background worker: `python worker.py [relay | consumer]`, both by default."""

import logging
import os
import sys

from billor.worker.main import main

if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # Not sys.exit, which waits for threads of Google's client, and for one that closes a hung bus.
    os._exit(status)
