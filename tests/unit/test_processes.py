"""The logs of child processes: bounded in size and readable only by their owner."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from billor.embedded import processes
from billor.embedded.processes import Child, Program

LINES = 1000


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Path]:
    """A folder for logs, with a umask that lets everyone read new files."""
    before = os.umask(0)
    yield tmp_path / "logs"
    os.umask(before)


def run(folder: Path, code: str) -> None:
    child = Child(Program(name="child", argv=[sys.executable, "-c", code]), folder)
    child.process.wait(30)
    child.stop()


def test_a_log_is_private_and_rotated_between_two_files(logs, monkeypatch):
    monkeypatch.setattr(processes, "LOG_BYTES", 2000)
    run(logs, f"for number in range({LINES}): print('line', number)")
    assert logs.stat().st_mode & 0o777 == 0o700
    files = {file.name: file for file in logs.iterdir()}
    assert set(files) == {"child.log", "child.log.1"}
    for file in files.values():
        assert file.stat().st_mode & 0o777 == 0o600
        assert 0 < file.stat().st_size <= 2000
    kept = (files["child.log.1"].read_text() + files["child.log"].read_text()).splitlines()
    assert kept == [f"line {number}" for number in range(LINES - len(kept), LINES)]


def test_each_start_begins_a_new_private_log(logs):
    logs.mkdir()
    (logs / "child.log").write_text("of before\n")
    run(logs, "print('of now')")
    assert (logs / "child.log").read_text() == "of now\n"
    assert (logs / "child.log").stat().st_mode & 0o777 == 0o600


def test_output_that_is_not_utf_8_is_logged_escaped(logs):
    run(logs, r"import os; os.write(1, b'a\xffb\n'); os.write(2, b'c\n')")
    assert (logs / "child.log").read_text() == "a\\xffb\nc\n"
