"""
Text from outside: what a vendor writes, made fit to be shown and to be put before a model.

It stays data. Nothing here tries to find instructions in it; it is bounded, kept on one line and
free of characters that hide or turn round what stands beside them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

CUT = "…"
# Controls, bidi overrides, zero-width and tag characters, lone surrogates.
_HIDDEN = re.compile(
    r"[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def foreign_line(value: object, chars_max: int) -> str:
    """Return *value* on one line of at most *chars_max* characters; empty if it is no text."""
    if not isinstance(value, str):
        return ""
    # Far more than is kept, so that an endless text costs nothing.
    shown = " ".join(_HIDDEN.sub("", value[: chars_max * 4]).split())
    return shown if len(shown) <= chars_max else shown[: chars_max - 1].rstrip() + CUT


def foreign_count(value: object, *, at_most: int) -> int | None:
    """Return a count between 0 and *at_most*; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= at_most else None


def foreign_moment_us(value: object) -> int | None:
    """Microseconds since 1970 of an ISO 8601 moment with an offset; None for anything else."""
    try:
        moment = datetime.fromisoformat(foreign_line(value, 40))
        return int(moment.timestamp() * 1_000_000) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def folded(text: str) -> str:
    """Return *text* without case and accents, to compare names as people type them."""
    bare = unicodedata.normalize("NFKD", text)
    return "".join(c for c in bare if not unicodedata.combining(c)).casefold().strip()
