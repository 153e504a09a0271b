"""Where sentences end, in Spanish and English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ABBREVIATIONS: Final = frozenset(
    word
    for line in (
        "sr sra srta sres dr dra lic ing arq prof gral cnel av avda art arts inc núm num nro nº",
        "pág pag págs vol cap fig ed etc ej p.ej aprox máx mín tel depto dpto prov cía ee.uu uu ee",
        "mr mrs ms jr st no vs dept est approx e.g i.e cf al eq min max u.s u.k a.m p.m d.c a.c",
    )
    for word in line.split()
)
# A mark that ends, quotes and brackets that close, space, and what a sentence begins with.
_END: Final = re.compile(
    r"([.!?…]+[\"'”\u2019»)\]]*)\s+(?=[¿¡\"'“\u2018«(\[\u2013\u2014-]*\s?[^\W_a-zà-öø-ÿ])"
)
_LAST_WORD: Final = re.compile(r"[\w.]*\Z")


def sentences_of(text: str) -> Iterator[str]:
    """Yield the sentences of *text* in their order; joined with blanks they are *text*."""
    start = 0
    for found in _END.finditer(text):
        if found[1] != "." or not _is_abbreviation(
            text[max(start, found.start() - 20) : found.start()]
        ):
            yield text[start : found.end(1)].strip()
            start = found.end()
    if rest := text[start:].strip():
        yield rest


def _is_abbreviation(before: str) -> bool:
    found = _LAST_WORD.search(before)
    word = found[0].lower() if found else ""
    # One letter is somebody's initial.
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha())
