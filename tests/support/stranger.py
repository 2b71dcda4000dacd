"""A fresh copy of the project, run with its own commands, as after a clone."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from scripts.launcher.launcher import PROJECT
from scripts.launcher.processes import free_port

ODD_NAME = "José's Müll 日本"
STARTED = "Stop with Ctrl-C"
START_SECONDS = 120


class Stranger:
    """A fresh copy of the project, with a port of its own and no settings."""

    def __init__(self, folder: Path):
        self.folder = folder / ODD_NAME
        self.home = self.folder / ".billor"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", str(folder)),
            "PORT": str(self.port),
        }
        self._started: list[subprocess.Popen[str]] = []
        _copy_project(self.folder)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in the project, in a session of its own, as a terminal would."""
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        """Run a command to its end; return its status and all that it printed."""
        process = self.start(*command, **environment)
        try:
            output, _ = process.communicate(timeout=START_SECONDS)
        finally:
            self.kill(process)
        return process.returncode, output

    def make_run(self, **environment: str) -> "Running":
        """`make run`, up to its banner."""
        return Running(self, self.start("make", "run", **environment))

    def processes(self) -> list[psutil.Process]:
        """All processes with a working directory in this copy of the project."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except psutil.Error:
                continue  # ended meanwhile, or another user's
        return found

    @staticmethod
    def kill(process: subprocess.Popen[str]) -> None:
        """End a started command, and what shares its session."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()

    def kill_all(self) -> None:
        """End everything that was started from here."""
        for started in self._started:
            self.kill(started)
        for process in self.processes():
            process.kill()


class Running:
    """A `make run` that has reached its banner."""

    def __init__(self, stranger: Stranger, process: subprocess.Popen[str]):
        self.process = process
        self._stranger = stranger
        self.output = ""
        deadline = time.monotonic() + START_SECONDS
        while STARTED not in self.output:
            line = process.stdout.readline()
            assert line, f"it ended before its banner:\n{self.output}"
            assert time.monotonic() < deadline, f"no banner in time:\n{self.output}"
            self.output += line

    def press_ctrl_c(self) -> str:
        """Signal the whole foreground group, as a terminal does; return the output since."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait_for_end()

    def wait_for_end(self) -> str:
        output, _ = self.process.communicate(timeout=60)
        return output

    def worker(self) -> psutil.Process:
        """The worker's first process."""
        found = self._stranger.processes()
        return next(each for each in found if any("worker.py" in word for word in each.cmdline()))


def only_line(output: str) -> str:
    """The one line of Billor's error; there must be no traceback."""
    assert "Traceback" not in output, output
    (line,) = [line for line in output.splitlines() if line.startswith("billor: ")]
    return line


def _copy_project(folder: Path) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=PROJECT, text=True).splitlines():
        source, target = PROJECT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
