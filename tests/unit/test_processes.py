"""Child processes: their logs, which are bounded, and why one did not start."""

import sys

from scripts.launcher import processes
from scripts.launcher.processes import Child, Program

LINES = 1000


def test_a_log_is_rotated_between_two_files(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LOG_BYTES", 2000)
    (tmp_path / "child.log").write_text("of before\n")
    code = f"for number in range({LINES}): print('line', number)"
    child = Child(Program(name="child", argv=[sys.executable, "-c", code]), tmp_path)
    child.process.wait(30)
    child.stop()
    files = {file.name: file for file in tmp_path.iterdir()}
    assert set(files) == {"child.log", "child.log.1"}
    assert all(0 < file.stat().st_size <= 2000 for file in files.values())
    kept = (files["child.log.1"].read_text() + files["child.log"].read_text()).splitlines()
    assert kept == [f"line {number}" for number in range(LINES - len(kept), LINES)]
