"""The launcher that runs the whole system on one machine: `python -m scripts.launcher`.

The app does not depend on it; embedded services are URLs like any others.
"""
