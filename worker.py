"""The background worker: `python worker.py [relay | consumer]`, both by default."""

import sys

from billor import create_app
from billor.worker.main import main

if __name__ == "__main__":
    sys.exit(main(create_app))
