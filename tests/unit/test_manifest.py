"""Folders with a manifest: what is written is read again, and what was changed is noticed."""

import pytest

from billor.manifest import (
    FolderRefused,
    checked,
    make_folder,
    read_lines,
    read_manifest,
    write_lines,
    write_manifest,
    write_private,
)

LINES = ["", "Łódź \u2028 \x85", '{"a": "b\\n"}', "x" * 100_000]


@pytest.fixture
def folder(tmp_path):
    make_folder(tmp_path / "new" / "folder")
    return tmp_path / "new" / "folder"


def test_lines_are_read_as_they_were_written(folder):
    assert write_lines(folder / "lines.gz", LINES) == 4
    assert list(read_lines(folder / "lines.gz")) == LINES
    assert write_lines(folder / "none.gz", []) == 0
    assert list(read_lines(folder / "none.gz")) == []


def test_the_same_lines_are_the_same_bytes(folder):
    for name in ("a.gz", "b.gz"):
        write_lines(folder / name, LINES)
    assert checked(folder / "a.gz") == checked(folder / "b.gz")


def test_a_manifest_names_each_file_with_its_checksum(folder):
    write_lines(folder / "a.gz", LINES)
    told = {"a.gz": checked(folder / "a.gz") | {"lines": 4}}
    write_manifest(folder, "backup", {"files": told})
    assert read_manifest(folder, "backup")["files"] == told
    with pytest.raises(FolderRefused, match="is no archive"):
        read_manifest(folder, "archive")
    (folder / "a.gz").write_bytes(b"")
    with pytest.raises(FolderRefused, match="damaged"):
        read_manifest(folder, "backup")


def test_a_manifest_cannot_name_files_elsewhere(folder):
    write_private(folder.parent / "secret", "text")
    told = {"../secret": checked(folder.parent / "secret")}
    write_manifest(folder, "backup", {"files": told})
    with pytest.raises(FolderRefused):
        read_manifest(folder, "backup")


def test_files_are_readable_by_their_owner_only(folder):
    write_lines(folder / "a.gz", LINES)
    write_private(folder / "b", "text")
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_used_is_named(folder):
    write_private(folder / "b", "text")
    for path in (folder, folder / "b", folder / "b" / "c"):
        with pytest.raises(FolderRefused, match=str(path)):
            make_folder(path)
