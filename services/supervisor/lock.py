"""
One supervisor per data directory.

The kernel holds the lock for exactly as long as the process lives, so a crash leaves
nothing to clean up. The number in the file only serves the message.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from services.failure import Failure

FILE_NAME = "lock"


class AlreadyRunning(Failure):
    """Another supervisor uses this data directory."""


class DataDirLock:
    """Held from `with` to the end of the block or of the process."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._descriptor = -1

    def __enter__(self) -> Self:
        # Keys and passwords lie below; PostgreSQL opens it for passing through if it must.
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise AlreadyRunning(
                f"{self._path.parent} is in use by another `vito up` (process {pid}).",
                f"stop that one (Ctrl-C, or kill {pid}), or use another directory:"
                " VITO_DATA_DIR=<directory> vito up.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return self

    def __exit__(self, *_exc: object) -> None:
        # The file stays: removing it would let two processes lock two files of one name.
        os.close(self._descriptor)
