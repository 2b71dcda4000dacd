"""The background worker: `python worker.py [relay | consumer]`, both by default."""

import sys

from billor.worker.main import main

if __name__ == "__main__":
    sys.exit(main())
