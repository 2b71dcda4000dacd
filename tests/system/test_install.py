"""Pinned packages are installed as pinned, whatever was published since, without a network."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from billor.embedded.launcher import PROJECT

VENV_SCRIPT = PROJECT / "scripts" / "venv.sh"


def make_wheel(folder: Path, name: str, version: str, *metadata: str) -> Path:
    """A package with nothing in it but its metadata."""
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, ""]
    info = f"{name}-{version}.dist-info"
    with ZipFile(wheel, "w") as file:
        file.writestr(f"{info}/METADATA", "\n".join(lines))
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return wheel


def pin(*wheels: Path) -> str:
    lines = []
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)


@pytest.fixture
def index(tmp_path) -> dict[str, Path]:
    """A package with an extra, in the pinned and a newer version, and one that needs the extra.

    `pytest-cov` needs `coverage[toml]` in the same way, in any version.
    """
    folder = tmp_path / "index"
    folder.mkdir()
    extra = ("Provides-Extra: toml", 'Requires-Dist: parser; extra == "toml"')
    return {
        "old": make_wheel(folder, "measure", "1.0", *extra),
        "new": make_wheel(folder, "measure", "2.0", *extra),
        "parser": make_wheel(folder, "parser", "1.0"),
        "plugin": make_wheel(folder, "plugin", "1.0", "Requires-Dist: measure[toml]>=1"),
    }


@pytest.fixture
def install(tmp_path, index):
    """Run scripts/venv.sh with these pins, in a project of its own."""
    project = tmp_path / "project"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(VENV_SCRIPT, project / "scripts")
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "index"),
    }

    def run(pins: str) -> subprocess.CompletedProcess:
        (project / "requirements.txt").write_text(pins)
        return subprocess.run(
            [project / "scripts" / "venv.sh", "requirements.txt"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def installed(tmp_path: Path) -> set[str]:
    packages = tmp_path.glob("project/.venv/lib/python*/site-packages/*.dist-info")
    names = {path.name.removesuffix(".dist-info") for path in packages}
    return {name for name in names if not name.startswith(("pip-", "setuptools-"))}


@pytest.mark.slow
def test_old_pins_are_installed_though_newer_versions_were_published(install, index, tmp_path):
    pins = pin(index["old"], index["parser"], index["plugin"])
    done = install(pins)
    assert done.returncode == 0, done.stderr
    assert installed(tmp_path) == {"measure-1.0", "parser-1.0", "plugin-1.0"}
    assert install(pins).stdout == ""  # nothing to do


@pytest.mark.slow
def test_pins_that_lack_a_package_are_refused(install, index):
    done = install(pin(index["plugin"]))
    assert done.returncode == 1
    assert "the packages could not be installed" in done.stderr


@pytest.mark.slow
def test_a_package_changed_since_it_was_pinned_is_refused(install, index, tmp_path):
    pins = pin(index["parser"])
    make_wheel(tmp_path / "index", "parser", "1.0", "Summary: another one")
    done = install(pins)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert installed(tmp_path) == set()
