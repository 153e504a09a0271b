"""Looking for a sentinel in everything on disk, in the ways in which bytes end up in files."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path


def spellings(marker: bytes) -> list[bytes]:
    """*marker* raw, in hex, and inside base64 of both alphabets at each of the three alignments."""
    found = [marker, marker.hex().encode(), marker.hex().upper().encode()]
    for before in range(3):
        # The characters that depend on the marker alone, whatever stands before and behind it.
        first, last = -(-before * 8 // 6), (before + len(marker)) * 8 // 6
        padded = b"\0" * before + marker
        for encoded in (base64.standard_b64encode(padded), base64.urlsafe_b64encode(padded)):
            found += [encoded[first:last]]
    return list(dict.fromkeys(found))


def search(places: Iterable[Path], marker: bytes) -> list[str]:
    """Every file in *places* that holds the marker, with how it is spelled there."""
    wanted = spellings(marker)
    hits = []
    for place in places:
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                hits += [f"{path}: {w.decode()}" for w in wanted if w in content]
    return hits
