"""Folders of files with a manifest, which has the checksum of each: backups and archives.

Files are readable by their owner only. The manifest is written last: without one a folder is not
complete.
"""

import gzip
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 1
NAME = "manifest.json"


class FolderRefused(Exception):
    """A folder cannot be written to, or is not what its manifest says. The message is one line."""


def make_folder(folder: Path) -> None:
    """Make an empty folder, and those above it. Raises `FolderRefused`, also if it has files."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderRefused(f"{folder} is not empty: name another folder.")
    except OSError as error:
        raise FolderRefused(f"{folder} cannot be written: {error.strerror}.") from error


def open_private(path: Path) -> BinaryIO:
    """Open a new file, or an old one that is emptied, readable by its owner only."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def write_private(path: Path, text: str) -> None:
    """Write a file durably and as a whole, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.new")
    with open_private(fresh) as file:
        file.write(text.encode())
        _make_durable(file)
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write lines durably as compressed UTF-8; return how many. They have no line ends."""
    count = 0
    with open_private(path) as file:
        # Without a name and a time in it: the same lines are the same bytes.
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
            for line in lines:
                compressed.write(f"{line}\n".encode())
                count += 1
        _make_durable(file)
    return count


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file of `write_lines`, without line ends."""
    with gzip.open(path, "rb") as compressed, io.TextIOWrapper(compressed, newline="\n") as lines:
        for line in lines:
            yield line.removesuffix("\n")


def checked(path: Path) -> dict[str, Any]:
    """Return what a manifest says of a file, as it is on disk: `{bytes, sha256}`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def write_manifest(folder: Path, kind: str, facts: Mapping[str, Any]) -> None:
    """Write the manifest of a folder; `facts["files"]` has what is known of each file by name."""
    text = json.dumps({"kind": kind, "format": FORMAT, **facts}, indent=2)
    write_private(folder / NAME, f"{text}\n")


def read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """Return the manifest of a folder whose files are all as it says. Raises `FolderRefused`."""
    try:
        manifest = json.loads((folder / NAME).read_text())
        if (manifest["kind"], manifest["format"]) != (kind, FORMAT):
            raise FolderRefused(f"{folder} is no {kind} of a format that is known here.")
        for name, told in manifest["files"].items():
            if (folder / name).parent != folder or checked(folder / name).items() - told.items():
                raise FolderRefused(f"{folder / name} is damaged: its checksum is another one.")
    except OSError as error:
        raise FolderRefused(f"{error.filename} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderRefused(f"{folder / NAME} is damaged.") from error
    return manifest


def _make_durable(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
