"""
A backup on disk: one file of bytes for each stream, and `manifest.json` about them.

A directory that has its final name is complete. Only its owner can read it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from services.failure import Failure

SCHEMA = "vito-backup/1"
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 16 * 1024 * 1024
CHUNK_BYTES = 128 * 1024


class BackupUnusable(Failure):
    """A backup is not there, not complete, or not what was written."""


class Copy(msgspec.Struct, frozen=True):
    """
    A stream's copy: the server's own description of the stream, and of the file's bytes.

    *config* and *state* are as the JetStream API gives and takes them.
    """

    stream: str
    config: dict[str, Any]
    state: dict[str, Any]
    bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Where in the directory the bytes are."""
        return f"{self.stream}.snapshot"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. *taken_at* is when it began, RFC 3339 in UTC."""

    schema: str = SCHEMA
    deployment: str
    shards: int
    taken_at: str
    copies: list[Copy]

    def copy_of(self, stream: str) -> Copy | None:
        """The copy of a stream, None if the backup has none."""
        return next((copy for copy in self.copies if copy.stream == stream), None)


class Writer:
    """Writes a backup, beside its place until close() gives the directory its name."""

    def __init__(self, directory: Path) -> None:
        """Begin one; raises BackupUnusable if it exists: a backup is never written over."""
        self._directory = directory
        self._partial = directory.with_name(f"{directory.name}.partial")
        for taken in (self._directory, self._partial):
            if taken.exists():
                raise BackupUnusable(
                    f"{taken} exists.", "name a new directory, or remove what a failed backup left."
                )
        self._partial.mkdir(mode=0o700, parents=True)

    async def write(self, stream: str, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """Write a stream's bytes, through to the disk; how many, and their SHA-256."""
        digest, size = hashlib.sha256(), 0
        with _new_file(self._partial / f"{stream}.snapshot") as file:
            async for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return size, digest.hexdigest()

    def close(self, manifest: Manifest) -> None:
        """Write the manifest and give the directory its name."""
        with _new_file(self._partial / MANIFEST) as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._partial.rename(self._directory)
        for directory in (self._directory, self._directory.parent):
            _sync_directory(directory)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a backup; raises BackupUnusable."""
    remedy = "name the directory of a complete backup."
    try:
        with (directory / MANIFEST).open("rb") as file:
            content = file.read(MANIFEST_BYTES_MAX)
        manifest = msgspec.json.decode(content, type=Manifest)
    except OSError as error:
        raise BackupUnusable(f"{directory / MANIFEST}: {error.strerror}.", remedy) from None
    except msgspec.DecodeError as error:
        raise BackupUnusable(f"{directory / MANIFEST}: {error}.", remedy) from None
    if manifest.schema != SCHEMA:
        raise BackupUnusable(f"{directory} is of another version: {manifest.schema}.", remedy)
    return manifest


def check(directory: Path, copy: Copy) -> None:
    """Read a copy's bytes through; raises BackupUnusable if they are not what was written."""
    digest, size = hashlib.sha256(), 0
    for chunk in read(directory, copy):
        digest.update(chunk)
        size += len(chunk)
    if (size, digest.hexdigest()) != (copy.bytes, copy.sha256):
        raise BackupUnusable(
            f"{directory / copy.file_name} is damaged: {size} bytes, not the {copy.bytes} written.",
            "use another backup.",
        )


def read(directory: Path, copy: Copy) -> Iterator[bytes]:
    """Yield a copy's bytes; raises BackupUnusable if the file cannot be read."""
    path = directory / copy.file_name
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise BackupUnusable(f"{path}: {error.strerror}.", "use another backup.") from None


def _new_file(path: Path) -> Any:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
