"""
The alphabet of the sandbox's voice: each letter is two notes, as vowels of real speech are.

    lower note   one of eight of a pentatonic scale, C5 to E6
    upper note   one of eight of C major, G6 to A7

Two groups of eight make 64 symbols: 63 that can be written and `AGAIN`, which is said in place of a
letter that equals the one before it. So no two neighbours sound the same, the borders of letters
are where the notes change, and how fast somebody speaks says nothing: "Goooool" has its five o at
every speed. All notes are below 4 kHz, so that telephone audio carries them.

Kept are the letters a to z, ñ, ü and the five accented vowels, digits, and the signs in `SIGNS`.
Other letters lose their accents (ç is c), typographic quotes and dashes become plain ones, and what
is left then (emoji, other scripts) has no notes. Upper case sounds like lower case.
"""

from __future__ import annotations

import unicodedata
from typing import Final

LETTERS: Final = "aeioubcdfghjklmnpqrstvwxyzñüáéíóú"
DIGITS: Final = "0123456789"
SIGNS: Final = ",.;:!?¡¿…'\"()-/%$&@+"
# Stands for the symbol before it. It is no character that anybody writes.
AGAIN: Final = "\x00"
SYMBOLS: Final = LETTERS + DIGITS + SIGNS + AGAIN
LOWER_HERTZ: Final = (523.25, 587.33, 659.25, 783.99, 880.0, 1046.5, 1174.66, 1318.51)
UPPER_HERTZ: Final = (1567.98, 1760.0, 1975.53, 2093.0, 2349.32, 2637.02, 3135.96, 3520.0)
_PLAIN: Final = {"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-"}  # noqa: RUF001

# The symbol number n has the lower note n // 8 and the upper note n % 8.
_places: Final = {symbol: divmod(at, len(UPPER_HERTZ)) for at, symbol in enumerate(SYMBOLS)}


def symbol_of(letter: str) -> str:
    """The symbol that *letter* is said as; empty when it has none."""
    low = letter.lower()
    for found in (low, _PLAIN.get(low, ""), unicodedata.normalize("NFD", low)[:1]):
        if found != AGAIN and found in _places:
            return found
    return ""


def notes_of(symbol: str) -> tuple[float, float]:
    """The two notes of a symbol, in Hertz; raises KeyError."""
    lower, upper = _places[symbol]
    return LOWER_HERTZ[lower], UPPER_HERTZ[upper]
