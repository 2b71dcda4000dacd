"""The background worker: `python worker.py [relay | consumer]`, both by default."""

import os
import sys

from billor import create_app
from billor.worker.main import main

if __name__ == "__main__":
    os.umask(0o077)  # whatever is made is its owner's
    sys.exit(main(create_app))
