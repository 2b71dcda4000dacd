"""Measures how long `make run` takes until its banner, at the first start and later."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median

from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import free_port

ROUNDS = 3


def start() -> tuple[tuple[str, str], list[tuple[str, str]]]:
    """Start everything several times on one data folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        settings = {"BILLOR_HOME": home, "PORT": str(free_port())}
        first, *later = [_seconds_until_banner(settings) for _ in range(1 + ROUNDS)]
    return ("seconds to the banner", ""), [
        ("first start", f"{first:.1f}"),
        ("second start", f"{median(later):.1f}"),
    ]


def _seconds_until_banner(settings: Mapping[str, str]) -> float:
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "scripts/run.py"],
        cwd=PROJECT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    ) as launcher:
        try:
            if not any("Billor is running" in line for line in launcher.stdout or ()):
                raise RuntimeError("`make run` did not start.")
            return time.perf_counter() - started
        finally:
            launcher.send_signal(signal.SIGINT)
            launcher.communicate(timeout=60)
