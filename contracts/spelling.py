"""
Spelling in words: what a pattern of the contracts asks for, for people.

The schema has the pattern, which programs check before they send; whoever reads why a name was
refused is told in words what one may look like.
"""

from __future__ import annotations

import re
from typing import Final

from contracts.message import ID_PATTERN, NAME_PATTERN, RESERVATION_PATTERN, TENANT_PATTERN

_LANGUAGE: Final = "a language tag of BCP 47, such as es-MX"
# By what a pattern begins and ends with nothing; tests see that none is missing.
WORDS: Final[dict[str, str]] = {
    TENANT_PATTERN: "1 to 63 of a-z 0-9 -, beginning with a letter",
    ID_PATTERN: "1 to 64 of A-Z a-z 0-9 _ -",
    NAME_PATTERN: "1 to 64 of A-Z a-z 0-9 _ . : / -, beginning with a letter or digit",
    RESERVATION_PATTERN: "the twin's name, a dot and a number, such as cantor.42",
    "[a-z0-9]{12,32}": "12 to 32 of a-z 0-9",
    "[a-z0-9][a-z0-9-]{0,47}": "1 to 48 of a-z 0-9 -, beginning with a letter or digit",
    "[0-9A-Za-z]{43}": "43 letters and digits",
    "[a-z0-9]{12,32}\\.[0-9A-Za-z]{43}": "the code as it was sent: 12 to 32 of a-z 0-9, a dot, and"
    " 43 letters and digits",
    "[0-9a-f]{64}": "64 of 0-9 a-f",
    f"(visitor|key)_{ID_PATTERN}": "`visitor_` or `key_` and an id",
    "[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63}){0,6}": "an e-mail address"
    " such as ana@example.com",
    "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}": "1 to 128 of A-Z a-z 0-9 . _ : -, beginning with a letter"
    " or digit",
    "[A-Za-z0-9_-]{16,56}": "16 to 56 of A-Z a-z 0-9 _ -",
    "[A-Z]{3}": "three capital letters, such as USD",
    "[a-z][a-z0-9_]{0,39}": "1 to 40 of a-z 0-9 _, beginning with a letter",
    "[a-z][a-z_]{0,39}": "1 to 40 of a-z _, beginning with a letter",
    "[a-z][a-z0-9_]{0,63}": "1 to 64 of a-z 0-9 _, beginning with a letter",
    "[0-9]{4}-[0-9]{2}-[0-9]{2}": "a date such as 2026-11-22",
    "[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}": _LANGUAGE,
    "([a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?": f"{_LANGUAGE}, or empty",
}
# Too long to be a key of a table that people read.
_BEGINNINGS: Final[dict[str, str]] = {
    "([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|": _LANGUAGE,
    "\\$argon2id": "a hash of argon2id in its own spelling",
}
_OF_A_LIBRARY: Final = re.compile(r"Expected `str` matching regex '(?P<pattern>.*?)'(?= - at |$)")
_OF_OURS: Final = re.compile(r"must match `(?P<pattern>[^`]*)` and nothing else")


def in_words(told: str) -> str:
    """Return what somebody is told about a value, with words in the place of a pattern."""
    told = _OF_A_LIBRARY.sub(lambda found: f"must be {words_for(found['pattern'])}", told)
    return _OF_OURS.sub(lambda found: f"must be {words_for(found['pattern'])}", told)


def words_for(pattern: str) -> str:
    """Say what a pattern asks for. One that nobody has put into words is described as one."""
    # A library quotes it as source text.
    plain = pattern.replace("\\\\", "\\").removeprefix("^").removesuffix("$(?!\\n)")
    known = WORDS.get(plain)
    if known is not None:
        return known
    found = (words for begin, words in _BEGINNINGS.items() if plain.startswith(begin))
    return next(found, "spelled as the contract says")
