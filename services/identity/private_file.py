"""
Files that hold secrets: read only when nobody else can read them, written whole or not at all.

Errors name the setting, the rule and the remedy; they never quote what a file contains.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from services.failure import Failure

FILE_BYTES_MAX: Final = 65_536
OWNER_ONLY: Final = 0o600
FOR_ALL: Final = 0o644


class FileUnusable(Failure):
    """A file that must hold secrets cannot be used."""


def read(path: Path, setting: str) -> bytes:
    """Read the file that *setting* names; raises FileUnusable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise unusable(path, setting, reason, "create it or correct the path.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise unusable(path, setting, "is not a file", "name a regular file.")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            reason = f"is open to others (mode {stat.S_IMODE(status.st_mode):04o})"
            raise unusable(path, setting, reason, f"chmod 600 {path}")
        return os.read(descriptor, FILE_BYTES_MAX)
    finally:
        os.close(descriptor)


def create(path: Path, content: bytes) -> None:
    """Write a new file; of two that race to create it, both use the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-") as file:  # mode 0600
        _write(file.fileno(), content)
        try:
            os.link(file.name, path)
        except FileExistsError:
            return
    _sync_directory(path.parent)


def replace(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """Put new content in the place of the old; who reads sees the one or the other."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(file.fileno(), content)
            os.fchmod(file.fileno(), mode)
        if path.exists():
            owner = path.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def unusable(path: Path, setting: str, reason: str, remedy: str) -> FileUnusable:
    """Make the error for a file that *setting* names."""
    return FileUnusable(f"{setting}={path} {reason}.", remedy)


def _write(descriptor: int, content: bytes) -> None:
    os.write(descriptor, content)
    os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
