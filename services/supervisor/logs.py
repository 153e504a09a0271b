"""
Keeps the log of a child within bounds.

The child writes to the file itself, in append mode, so the file can be cut while it
writes. A line written between the copy and the cut is lost; these are operating logs,
not the log.
"""

import os
from pathlib import Path

LOG_BYTES_MAX = 16 << 20
KEPT_BYTES = 4 << 20


def bound(path: Path, *, bytes_max: int = LOG_BYTES_MAX, kept: int = KEPT_BYTES) -> bool:
    """Move the end of a log that grew too long to `<name>.1` and start over."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "r+b") as file:
        size = os.fstat(descriptor).st_size
        if size <= bytes_max:
            return False
        file.seek(size - kept)
        older = path.with_name(f"{path.name}.1")
        older.write_bytes(file.read(kept))
        older.chmod(0o600)
        file.truncate(0)
    return True
