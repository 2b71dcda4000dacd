"""scripts/venv.sh on odd machines: it installs what is pinned, or says in one line what to do."""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.launcher.launcher import PROJECT
from tests.support.stranger import ODD_NAME

NOBODY = 65534
FAKE_PYTHON = f"""#!/bin/sh
case "$2" in *{{fails_on}}*) exit 1 ;; esac
exec {shlex.quote(sys.executable)} "$@"
"""


def make_wheel(folder: Path, version: str, summary: str = "") -> Path:
    """A package with nothing in it but its metadata and a program."""
    name = "measure"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Summary: {summary}"]
    info = f"{name}-{version}.dist-info"
    with ZipFile(wheel, "w") as file:
        file.writestr(f"{name}.py", f"def main(): print('{name} {version}')")
        file.writestr(f"{info}/METADATA", "\n".join(lines))
        file.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return wheel


def pin(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


@pytest.fixture
def index(tmp_path) -> dict[str, Path]:
    """A package in the pinned and a newer version."""
    folder = tmp_path / "index"
    folder.mkdir()
    return {"old": make_wheel(folder, "1.0"), "new": make_wheel(folder, "2.0")}


class Machine:
    """A project of its own, with `scripts/venv.sh` and pins."""

    def __init__(self, folder: Path, index: dict[str, Path]):
        self.project = folder / ODD_NAME
        (self.project / "scripts").mkdir(parents=True)
        for name in ("venv.sh", "relocatable.py"):
            shutil.copy(PROJECT / "scripts" / name, self.project / "scripts")
        self.pins = pin(index["old"])
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.environment = {
            "PATH": f"{self.bin}:{Path(sys.executable).resolve().parent}:/usr/bin:/bin",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(folder / "index"),
        }

    def start(self, user: int | None = None, **environment: str) -> subprocess.Popen:
        (self.project / "requirements.txt").write_text(self.pins)
        return subprocess.Popen(
            ["scripts/venv.sh", "requirements.txt"],
            cwd=self.project,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            user=user,
        )

    def install(self, user: int | None = None, **environment: str) -> str:
        """Run it; return all that it printed."""
        return self.start(user, **environment).communicate(timeout=120)[0]

    def refusal(self, user: int | None = None, **environment: str) -> str:
        """Run it; return the one line that says why it failed, after which nothing is left."""
        output = self.install(user, **environment)
        progress, _, line = output.rpartition("billor: ")
        assert all("Installing" in each or not each.strip(".") for each in progress.splitlines())
        assert line.count("\n") == 1, output
        assert not list(self.project.glob(".venv.new*"))
        return line

    def program(self) -> str:
        """What the installed program prints."""
        return subprocess.check_output([".venv/bin/measure"], cwd=self.project, text=True)

    def fake_python(self, fails_on: str, name: str = "python3") -> str:
        """Put a Python on PATH that fails when it is asked for something."""
        (self.bin / name).write_text(FAKE_PYTHON.format(fails_on=fails_on))
        (self.bin / name).chmod(0o755)
        return name


@pytest.fixture
def machine(tmp_path, index) -> Machine:
    return Machine(tmp_path, index)


def test_a_python_that_is_named_is_there_and_recent_enough(machine):
    assert "PYTHON=python9 was not found" in machine.refusal(PYTHON="python9")
    too_old = machine.fake_python("version_info", "python-old")
    assert "PYTHON=python-old is not Python 3.11 or newer" in machine.refusal(PYTHON=too_old)


def test_debian_without_its_venv_package_is_told_to_install_it(machine):
    machine.fake_python("ensurepip")
    assert "sudo apt install python3-venv" in machine.refusal()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_folder_or_a_venv_of_another_user_is_named(index):
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to others
        Path(folder).chmod(0o755)
        machine = Machine(Path(folder), index)
        assert "cannot be written to" in machine.refusal(NOBODY)
        os.chown(machine.project, NOBODY, NOBODY)
        (machine.project / ".venv").mkdir()
        assert "sudo rm -rf .venv" in machine.refusal(NOBODY)


@pytest.mark.slow
def test_the_life_of_a_venv_in_an_odd_folder(machine, index, tmp_path):
    (machine.project / ".venv/bin").mkdir(parents=True)  # half made: Python, but no pip
    (machine.project / ".venv/bin/python").symlink_to(sys.executable)
    odd = {"PIP_TARGET": "/nowhere", "PIP_PREFIX": "/nowhere", "PIP_USER": "1", "PIP_DRY_RUN": "1"}
    output = machine.install(PYTHONPATH="/nowhere", PYTHONHOME="/nowhere", LC_ALL="C", **odd)
    assert machine.program() == "measure 1.0\n", output
    assert machine.install(**odd) == ""  # nothing to do

    made = (machine.project / ".venv/pyvenv.cfg").stat().st_ino
    machine.fake_python("impossible")  # another Python comes first
    assert machine.install(PYTHON="python3") == ""
    assert (machine.project / ".venv/pyvenv.cfg").stat().st_ino == made

    machine.project = machine.project.rename(tmp_path / "moved")
    assert machine.program() == "measure 1.0\n"
    assert machine.install() == ""
    assert str(machine.project) in (machine.project / ".venv/bin/activate").read_text()

    machine.pins = pin(index["new"])
    machine.install()
    assert machine.program() == "measure 2.0\n"


@pytest.mark.slow
def test_after_ctrl_c_or_kill_the_next_try_works(machine):
    for number in (signal.SIGINT, signal.SIGKILL):
        process = machine.start()
        while not list(machine.project.glob(".venv.new.*/bin/python")):
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, number)
        output = process.communicate(timeout=60)[0]
        assert number == signal.SIGKILL or "billor: stopped before" in output
        assert not (machine.project / ".venv").exists()
    machine.install()
    assert machine.program() == "measure 1.0\n"
    assert not list(machine.project.glob(".venv.new.*"))


@pytest.mark.slow
def test_an_index_that_does_not_answer_or_gives_a_changed_package_is_named(machine, tmp_path):
    line = machine.refusal(PIP_NO_INDEX="", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:1/")
    assert "index does not answer ([Errno 111] Connection refused)" in line
    make_wheel(tmp_path / "index", "1.0", "another one")
    assert "DO NOT MATCH THE HASHES" in machine.refusal()
    assert not (machine.project / ".venv").exists()
