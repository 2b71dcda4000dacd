"""Child processes: started in their own sessions, logged, and always stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from logging import makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

LOG_BYTES = 10_000_000


class StartFailed(Exception):
    """Something did not start. The message is one line that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how to tell that it is ready."""

    name: str
    argv: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    is_ready: Callable[[], bool] = lambda: True
    ready_seconds: float = 30
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15
    stdin: str = ""
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    """The working directory, if not ours."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """Options of `Popen` to run it as another user, if it must not run as ours."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings by which others find it, e.g. `DATABASE_URL`."""


def write_private(path: Path, text: str) -> None:
    """Write a file as a whole, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


class _Log(RotatingFileHandler):
    """A log file readable by its owner only, empty at the start.

    A full one is rotated; one old file is kept.
    """

    terminator = ""  # lines end in one

    def __init__(self, file: Path):
        file.unlink(missing_ok=True)
        super().__init__(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        os.close(os.open(self.baseFilename, os.O_CREAT, 0o600))
        return super()._open()


class Child:
    """A running program. Its output goes to a log file, and to the terminal while `loud` is set."""

    def __init__(self, program: Program, log_folder: Path):
        self.program = program
        self.log_file = log_folder / f"{program.name}.log"
        log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        program.prepare()
        self._log = _Log(self.log_file)
        # In its own session, so that Ctrl-C reaches only the launcher, which stops all in order.
        self.process: subprocess.Popen[str] = subprocess.Popen(
            program.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            env=program.environment,
            cwd=program.folder,
            start_new_session=True,
            **program.identity,
        )
        self._output = cast(IO[str], self.process.stdout)
        with cast(IO[str], self.process.stdin) as stdin:
            stdin.write(program.stdin)
        self.loud = False
        self._copying = Thread(target=self._copy_output, daemon=True)
        self._copying.start()

    def wait_until_ready(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Wait. Raises `StartFailed` if the program exits or is not ready in time.

        `pause` waits for so many seconds; it may raise.
        """
        deadline = time.monotonic() + self.program.ready_seconds
        while not self.program.is_ready():
            if self.process.poll() is not None:
                raise StartFailed(f"{self.program.name} did not start. Its log: {self.log_file}")
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{self.program.name} was not ready after {self.program.ready_seconds:.0f} s. "
                    f"Its log: {self.log_file}"
                )
            pause(0.05)

    def request_stop(self) -> None:
        """Send the program its stop signal."""
        if self.process.poll() is None:
            self.process.send_signal(self.program.stop_signal)

    def stop(self) -> None:
        """Stop the program: send its stop signal, wait, and kill it after `stop_seconds`."""
        self.request_stop()
        try:
            self.process.wait(self.program.stop_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._copying.join()
        self._output.close()
        self._log.close()

    def _copy_output(self) -> None:
        for line in self._output:
            self._log.emit(makeLogRecord({"msg": line}))
            if self.loud:
                sys.stdout.write(f"{self.program.name:>6} | {line}")
                sys.stdout.flush()


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts_connections(port: int) -> bool:
    """Return whether this port of 127.0.0.1 accepts connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
