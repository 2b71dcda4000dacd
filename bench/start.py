"""Measures how long Billor takes to start."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from billor.embedded.launcher import PROJECT
from billor.embedded.processes import free_port

ROUNDS = 3
STOP_SECONDS = 60
SETTINGS = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
    "JWT_SECRET_KEY": "only-to-import-the-application-0123456789",
}


@dataclass(frozen=True)
class Start:
    """CPU seconds of imports, and seconds from the launcher's start until it says it runs.

    Python has compiled everything before.
    """

    worker_import: float
    api_import: float
    launcher: float


def start() -> Start:
    """Import the worker and the API, and start everything twice on one data folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        settings = {"BILLOR_HOME": home, "PORT": str(free_port())}
        _until_banner(settings)
        return Start(
            worker_import=_import("worker"),
            api_import=_import("wsgi"),
            launcher=median(_until_banner(settings) for _ in range(ROUNDS)),
        )


def _import(module: str) -> float:
    times = [_cpu_seconds([sys.executable, "-c", f"import {module}"]) for _ in range(1 + ROUNDS)]
    return median(times[1:])


def _cpu_seconds(argv: list[str]) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, cwd=PROJECT, env=_environment(SETTINGS))
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _until_banner(settings: Mapping[str, str]) -> float:
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "billor.embedded", "run"],
        cwd=PROJECT,
        env=_environment(settings),
        stdout=subprocess.PIPE,
        text=True,
    ) as launcher:
        try:
            if not any("Billor is running" in line for line in launcher.stdout or ()):
                raise RuntimeError("`make run` did not start.")
            return time.perf_counter() - started
        finally:
            launcher.send_signal(signal.SIGINT)
            try:
                launcher.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                launcher.kill()
                raise


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this environment with bytecode written, as the Makefile has it."""
    return {
        name: value
        for name, value in {**os.environ, **settings}.items()
        if name != "PYTHONDONTWRITEBYTECODE"
    }
