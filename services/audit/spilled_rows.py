"""
Rows that may be too many for memory: by name, sealed, in a file that nobody else can find.

The file has no name and is gone with its last reader. What lies in it came out of sealed boxes, so
it is sealed again, with a key that only this object has ever had; names are kept as digests.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from services.sealing.box import KEY_BYTES, digest, open_box, seal

_PURPOSE: Final = b"audit/spilled-rows"
_CACHE_KIB: Final = 16 * 1024
_DECODER: Final = msgspec.msgpack.Decoder(dict[str, Any])


class SpilledRows:
    """Rows by name: at most 16 MiB in memory, the rest in the system's temporary folder."""

    def __init__(self) -> None:
        self._key = os.urandom(KEY_BYTES)
        # An empty name is a file of SQLite's own, removed as soon as it is open.
        self._file = sqlite3.connect("", isolation_level=None)
        # Whoever gives up before the end closes it as well.
        weakref.finalize(self, self._file.close)
        for setting in (f"cache_size = -{_CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.execute("CREATE TABLE kept (name BLOB PRIMARY KEY, box BLOB) WITHOUT ROWID")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do many changes as one, which is faster."""
        self._file.execute("BEGIN")
        yield
        self._file.execute("COMMIT")

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the row of that name."""
        found = self._file.execute("SELECT box FROM kept WHERE name = ?", (self._hidden(name),))
        row = found.fetchone()
        return None if row is None else self._opened(*row)

    def put(self, name: str, row: dict[str, Any]) -> None:
        """Keep a row, in the place of an earlier one of that name."""
        box = seal(self._key, _PURPOSE, (), msgspec.msgpack.encode(row))
        self._file.execute("REPLACE INTO kept VALUES (?, ?)", (self._hidden(name), box))

    def pop(self, name: str) -> dict[str, Any] | None:
        """Return the row of that name and keep it no longer."""
        row = self.get(name)
        if row is not None:
            self._file.execute("DELETE FROM kept WHERE name = ?", (self._hidden(name),))
        return row

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Return every row that is kept, in no order, one at a time."""
        for (box,) in self._file.execute("SELECT box FROM kept"):
            yield self._opened(box)

    def _hidden(self, name: str) -> bytes:
        return digest(self._key, _PURPOSE, name.encode())

    def _opened(self, box: bytes) -> dict[str, Any]:
        return _DECODER.decode(open_box(self._key, _PURPOSE, (), box))
