"""Child processes: started in their own sessions, logged, and always stopped."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

READY_SECONDS, STOP_SECONDS = 60, 15
LOG_BYTES = 10_000_000
SIGNS_OF_A_CAUSE = "error|fatal|panic|no space left|denied"


class StartFailed(Exception):
    """Something did not start. The message is one line with the remedy."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how to know that it is ready."""

    name: str
    argv: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    is_ready: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    stdin: str = ""
    environment: Mapping[str, str] | None = None
    folder: Path | None = None  # the working directory, if not ours
    identity: Mapping[str, Any] = field(default_factory=dict)  # `Popen`'s options of another user
    settings: Mapping[str, str] = field(default_factory=dict)  # for those who use it


class Child:
    """A running program. Its output goes to a log file, and to the terminal while `loud` is set."""

    def __init__(self, program: Program, log_folder: Path):
        self.program = program
        self.log_file = log_folder / f"{program.name}.log"
        log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        program.prepare()
        self.log_file.unlink(missing_ok=True)
        self._log = RotatingFileHandler(
            self.log_file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8"
        )
        self._log.terminator = ""  # lines have one
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
        """Wait, sleeping with `pause`, which may raise. Raises `StartFailed`."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.program.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StartFailed(
                    f"{self.program.name} did not start: "
                    f"{cause(self.log_file.read_text(encoding='utf-8'))}. Its log: {self.log_file}"
                )
            pause(0.05)

    def request_stop(self) -> None:
        """Send the program its stop signal."""
        if self.process.poll() is None:
            self.process.send_signal(self.program.stop_signal)

    def stop(self) -> None:
        """Stop the program: send its stop signal, wait, and kill it if that takes too long."""
        self.request_stop()
        try:
            self.process.wait(STOP_SECONDS)
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
                say(f"{self.program.name:>6} | {line}", end="")


def cause(output: str) -> str:
    """Return the first line of a program's output that looks like a cause, or else the last."""
    lines = output.strip().splitlines() or ["no output"]
    causes = [line for line in lines if re.search(SIGNS_OF_A_CAUSE, line, re.IGNORECASE)]
    return [*causes, lines[-1]][0].strip(" .")


def say(text: str, end: str = "\n") -> None:
    """Print at once. If the reader of our output has exited, the rest is discarded."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


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
