"""Files with secrets: private, whole, and never quoted."""

from __future__ import annotations

import os
import stat

import pytest

from services.identity import private_file
from services.identity.private_file import FileUnusable


def test_of_two_that_create_it_the_first_one_counts(tmp_path):
    """Two processes start at once; both must use the same keys."""
    path = tmp_path / "deep" / "file"
    private_file.create(path, b"first")
    private_file.create(path, b"second")

    assert private_file.read(path, "VITO_X") == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_it_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """A crash half-way must leave the old one."""
    path = tmp_path / "file"
    private_file.create(path, b"old")
    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(OSError, match="no space"):
        private_file.replace(path, b"new")

    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def _fail(_descriptor: int) -> None:
    raise OSError("no space")


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "open"])
def test_what_cannot_be_trusted_is_refused(tmp_path, kind):
    """With the setting, the reason and what to do; a pipe must not block the start."""
    path = tmp_path / "file"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "open":
        path.write_bytes(b"hunter2")
        path.chmod(0o604)

    with pytest.raises(FileUnusable, match="VITO_X") as caught:
        private_file.read(path, "VITO_X")
    assert "Remedy" in str(caught.value)
    assert "hunter2" not in str(caught.value)
