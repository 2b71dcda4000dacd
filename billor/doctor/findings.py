"""Findings, and the checks that make them: all at the same time, and none for long."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from threading import Thread
from typing import NamedTuple

from flask import Flask

from billor.config import Config
from billor.logs import first_line, printable

CHECK_SECONDS = 6
"""How long a check may take: what hangs must not keep whoever asks waiting."""
MOST_CHARACTERS = 200
NO_ANSWER = "Is it hung, or is a firewall in between?"


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    LOOK = "look"
    """It works, and somebody should look at it."""
    WRONG = "WRONG"


class Finding(NamedTuple):
    """What a check has found about a subject, and what to do next unless it is ok."""

    level: Level
    subject: str
    told: str
    next_step: str = ""


def ok(subject: str, told: str) -> Finding:
    return Finding(Level.OK, subject, told)


def look(subject: str, told: str, next_step: str) -> Finding:
    return Finding(Level.LOOK, subject, told, next_step)


def wrong(subject: str, told: str, next_step: str) -> Finding:
    return Finding(Level.WRONG, subject, told, next_step)


def reason(error: Exception) -> str:
    """Return what an error says, or else its name, in few words."""
    return printable(first_line(str(error)) or type(error).__name__)[:MOST_CHARACTERS]


Check = Callable[[Config], Iterator[Finding]]


def examine(app: Flask, checks: Mapping[str, Check]) -> Sequence[Finding]:
    """Return what the checks find, in their order, after `CHECK_SECONDS` at most.

    A check that raises or does not end in time is a finding, after those it has made before.
    """
    running = [_Examination(app, subject, check) for subject, check in checks.items()]
    deadline = time.monotonic() + CHECK_SECONDS
    return [finding for each in running for finding in each.result(deadline)]


class _Examination:
    """A check that runs in a thread, which may be left behind."""

    def __init__(self, app: Flask, subject: str, check: Check):
        self._app = app
        self._subject = subject
        self._check = check
        self._found: list[Finding] = []
        self._thread = Thread(target=self._run, name=f"doctor: {subject}", daemon=True)
        self._thread.start()

    def result(self, deadline: float) -> Sequence[Finding]:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        found = list(self._found)
        if self._thread.is_alive():
            found.append(wrong(self._subject, f"no answer within {CHECK_SECONDS} s", NO_ANSWER))
        return found

    def _run(self) -> None:
        with self._app.app_context():
            try:
                for finding in self._check(self._app.config["BILLOR"]):
                    self._found.append(finding)
            except Exception as error:  # whatever a client raises is what was found
                told = f"{type(error).__name__}: {reason(error)}"
                self._found.append(wrong(self._subject, told, "See the log, and docs/runbook.md."))
