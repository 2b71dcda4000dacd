"""Billor: drivers, loads and assignments for a trucking company."""

import gc

# Imports leave nothing to collect, and looking for it takes a fifth of their time. What they made
# stays, and is never looked through again.
gc.disable()

from billor.factory import create_app as create_app  # noqa: E402

gc.freeze()
gc.enable()
