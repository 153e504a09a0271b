"""
How long an answer may be used again (RFC 9111), and a bounded place to keep answers.

We are a private cache: `s-maxage` is not for us, `private` is. What a vendor says nothing about is
kept for as long as its adapter states; what it forbids to store is not stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import msgspec

MAX_AGE_MS = 3_600_000
KEPT_MAX = 64
KEPT_BYTES_MAX = 4 << 20
Kept = TypeVar("Kept")


class Freshness(msgspec.Struct, frozen=True):
    """
    How an answer may be used: for *max_age_ms*, and whether at all or in need beyond it.

    *may_serve_stale*: when the vendor cannot be asked, an older answer may be shown with its age.
    """

    max_age_ms: int
    may_store: bool = True
    may_serve_stale: bool = True


def freshness(headers: Mapping[str, str], *, default_ms: int) -> Freshness:
    """Read `Cache-Control` and `Age`; *default_ms* holds when the vendor says nothing."""
    said = _directives(headers.get("Cache-Control", ""))
    if "no-store" in said:
        return Freshness(0, may_store=False, may_serve_stale=False)
    max_age_s = _seconds(said.get("max-age"))
    max_age_ms = default_ms if max_age_s is None else max_age_s * 1_000
    if "no-cache" in said:
        max_age_ms = 0
    age_ms = (_seconds(headers.get("Age")) or 0) * 1_000
    strict = not said.keys().isdisjoint(("no-cache", "must-revalidate"))
    return Freshness(
        max(0, min(max_age_ms, MAX_AGE_MS) - age_ms),
        may_serve_stale=not strict,
    )


def _directives(text: str) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in text[:1_000].split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def _seconds(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


class Shelf(Generic[Kept]):
    """Keeps the answers that were used last, up to a number and a size in bytes."""

    def __init__(self, *, most: int = KEPT_MAX, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._most = most
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()

    def get(self, key: Hashable) -> Kept | None:
        """What is kept under *key*, however old."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: Kept, size_bytes: int) -> None:
        """Keep *value*, unless it is larger than everything together may be."""
        self.drop(key)
        if size_bytes > self._bytes_max:
            return
        self._kept[key] = (value, size_bytes)
        self._bytes += size_bytes
        while len(self._kept) > self._most or self._bytes > self._bytes_max:
            _, (_, gone_bytes) = self._kept.popitem(last=False)
            self._bytes -= gone_bytes

    def drop(self, key: Hashable) -> None:
        """Keep nothing under *key*."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[1]

    def __len__(self) -> int:
        return len(self._kept)
