"""Unit tests on the Python of the image, whose library may read the same file otherwise."""

import faulthandler
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.launcher.launcher import PROJECT

VERSION = re.search(r"python:(\d+\.\d+)", (PROJECT / "Dockerfile").read_text())[1]
READING = ("config", "events", "exporting", "files", "importing", "logs", "processes", "text")
"""The tests of what Python's library reads or writes; the others are of our services."""
IS_OURS = f"{sys.version_info[0]}.{sys.version_info[1]}" == VERSION


@pytest.mark.skipif(IS_OURS, reason=f"all tests run on Python {VERSION}")
def test_what_reads_files_passes_on_the_python_of_the_image(pytestconfig):
    faulthandler.cancel_dump_traceback_later()  # the tests that it starts have one, too
    environment = os.environ | {"PYENV_VERSION": VERSION}  # pyenv hides all but one
    find = [
        Path(sys.executable).with_name("uv"),
        "python",
        "find",
        "--no-python-downloads",
        VERSION,
    ]
    found = subprocess.run(find, env=environment, stdout=subprocess.PIPE, text=True)
    if found.returncode:
        pytest.skip(f"Python {VERSION} is not installed: the image's Python is NOT tested")
    folder = pytestconfig.cache.mkdir(f"python-{VERSION}")
    (folder / "scripts").mkdir(exist_ok=True)
    for name in ("scripts/venv.sh", "scripts/relocatable.py", "requirements-dev.txt"):
        shutil.copy(PROJECT / name, folder / name)
    install = [folder / "scripts/venv.sh", "requirements-dev.txt"]
    subprocess.run(install, env=environment | {"PYTHON": found.stdout.strip()}, check=True)
    pytest_there = [folder / ".venv/bin/python", "-m", "pytest", "-n0", "-p", "no:cacheprovider"]
    tests = [f"tests/unit/test_{name}.py" for name in READING]
    subprocess.run([*pytest_there, *tests], cwd=PROJECT, env=environment, check=True)
