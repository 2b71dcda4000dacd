"""The whole system on one machine, by one launcher: `python -m billor.embedded`.

The app itself knows nothing of this; it sees URLs like any others.
"""
