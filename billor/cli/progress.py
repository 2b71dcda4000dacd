"""What a person who waits for a command sees of its progress, and how they end it."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import click


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error, if that is a terminal and there is something to do.

    The block calls what it gets with each number of steps done. Ctrl-C ends it at the next call;
    pressed again, at once.
    """
    # Not at once, as Python drops a KeyboardInterrupt that comes while it deletes an object.
    pressed = False

    def press(*_) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    def tell(steps: int) -> None:
        bar.update(steps)
        if pressed:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        with click.progressbar(
            length=length,
            label=label.capitalize(),
            file=sys.stderr,
            hidden=not (length and sys.stderr.isatty()),
            update_min_steps=max(1, length // 1000),
        ) as bar:
            yield tell
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def reading(file: IO[bytes], label: str) -> Iterator["WatchedFile"]:
    """Show a progress bar that fills as lines of the file are read in the block."""
    size = os.fstat(file.fileno()).st_size  # 0 for a pipe, whose end nobody knows
    with progress_bar(label, size) as tell:
        yield WatchedFile(file, tell)


class WatchedFile:
    """A file that tells how much of it is read."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]):
        self._file = file
        self._tell = tell

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._tell(len(line))
        return line
