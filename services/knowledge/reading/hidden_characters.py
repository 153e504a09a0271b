"""
Characters that nobody sees, taken out of what is used and shown to whoever reviews.

Text can say one thing to a person and another to a model: between the letters (zero width), by
turning their order around (bidi), or in the block of tag characters, which spells whole sentences
that no font draws. Variation selectors can carry bytes in the same way.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from services.knowledge.document import FlagKind

EXCERPT_MAX: Final = 300
_CONTEXT: Final = 40

_ZERO_WIDTH: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0100-\U000e01ef"
)
_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_TAGS: Final = "\U000e0000-\U000e007f"
_PATTERNS: Final[tuple[tuple[FlagKind, re.Pattern[str]], ...]] = (
    ("tag_characters", re.compile(f"[{_TAGS}]+")),
    ("bidi", re.compile(f"[{_BIDI}]+")),
    ("zero_width", re.compile(f"[{_ZERO_WIDTH}]+")),
)
_HIDDEN: Final = re.compile(f"[{_ZERO_WIDTH}{_BIDI}{_TAGS}]+")
# Hidden, and of no consequence: hyphens that are not drawn, and the glue of emoji and their flags.
_EMOJI: Final = "\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff0-9#*\u00a9\u00ae"
_HARMLESS: Final = re.compile(
    f"\u00ad|(?<=\U0001f3f4)[\U000e0061-\U000e007a]{{2,6}}\U000e007f"
    f"|(?<=[{_EMOJI}])\ufe0f?\u200d(?=[{_EMOJI}])|(?<=[{_EMOJI}])[\ufe0e\ufe0f]"
)
# They decide how letters of these scripts join.
_JOINED_SCRIPTS: Final = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff"
_JOINERS: Final = re.compile(f"(?<=[{_JOINED_SCRIPTS}])[\u200c\u200d](?=[{_JOINED_SCRIPTS}])")
_KEPT: Final = {"\ue00c": "\u200c", "\ue00d": "\u200d"}
# Control characters say nothing; line ends of all kinds are white space.
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ue00c\ue00d]")
_SPACES: Final = re.compile(
    "[\t\x0b\x0c\r\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)


class Cleaned(msgspec.Struct, frozen=True):
    """Text as people see it, and what was hidden in it: kind and excerpt."""

    text: str
    hidden: tuple[tuple[FlagKind, str], ...] = ()


def clean(text: str) -> Cleaned:
    """Return *text* without characters that nobody sees; line feeds stay, other space is blank."""
    text = _SPACES.sub(" ", text.replace("\r\n", "\n"))
    if text.isascii():
        return Cleaned(_CONTROLS.sub("", text).strip())
    text = _CONTROLS.sub("", text).removeprefix("\ufeff")
    text = _HARMLESS.sub("", text)
    text = _JOINERS.sub(lambda found: chr(0xE000 + (ord(found[0]) & 0xF)), text)
    hidden = tuple(
        (kind, excerpt_around(text, found.start(), found.end()))
        for kind, pattern in _PATTERNS
        if (found := pattern.search(text))
    )
    text = _HIDDEN.sub("", text)
    for stand_in, joiner in _KEPT.items():
        text = text.replace(stand_in, joiner)
    return Cleaned(text.strip(), hidden)


def excerpt_around(text: str, start: int, end: int) -> str:
    """Return what stands around text[start:end], with hidden characters as code points."""
    before = "…" if start > _CONTEXT else ""
    after = "…" if end + _CONTEXT < len(text) else ""
    return before + shown(text[max(0, start - _CONTEXT) : end + _CONTEXT]) + after


def shown(text: str) -> str:
    """Return *text* with hidden characters as code points, on one line, at most 300 characters."""
    seen = " ".join(_CONTROLS.sub("", _HIDDEN.sub(_spelled, text)).split())
    return seen if len(seen) <= EXCERPT_MAX else seen[: EXCERPT_MAX - 1] + "…"


def _spelled(found: re.Match[str]) -> str:
    run = found[0]
    spelled = "".join(
        chr(ord(one) - 0xE0000)
        for one in run
        if 0xE0020 <= ord(one) <= 0xE007E  # noqa: PLR2004 - the tag characters of ASCII
    )
    if spelled:
        return f"[U+{ord(run[0]):04X}…U+{ord(run[-1]):04X} spells “{spelled}”]"
    points = " ".join(f"U+{ord(one):04X}" for one in run[:8])
    return f"[{points} … {len(run)} in all]" if len(run) > 8 else f"[{points}]"  # noqa: PLR2004 - enough to recognise a run
