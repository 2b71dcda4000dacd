"""Progress bars of commands, and their interruption by Ctrl-C."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import click


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error, if that is a terminal and `length` is not 0.

    Yields a function that the block calls with the number of steps just done. Ctrl-C interrupts
    the block at its next call; a second Ctrl-C, immediately.
    """
    # Deferred, as Python drops a KeyboardInterrupt raised while it deletes an object.
    interrupted = False

    def interrupt(*_) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, before)

    def advance(steps: int) -> None:
        bar.update(steps)
        if interrupted:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with click.progressbar(
            length=length,
            label=label.capitalize(),
            file=sys.stderr,
            hidden=not (length and sys.stderr.isatty()),
            update_min_steps=max(1, length // 1000),
        ) as bar:
            yield advance
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def reading(file: IO[bytes], label: str) -> Iterator["WatchedFile"]:
    """Show a progress bar that fills as lines of the file are read in the block."""
    size = os.fstat(file.fileno()).st_size  # 0 for a pipe, whose length is unknown
    with progress_bar(label, size) as advance:
        yield WatchedFile(file, advance)


class WatchedFile:
    """A file that reports how many bytes were read."""

    def __init__(self, file: IO[bytes], report: Callable[[int], None]):
        self._file = file
        self._report = report

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._report(len(line))
        return line
