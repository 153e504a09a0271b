"""Which language a document is written in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNDETERMINED: Final = "und"
# Those that documents of our twins come in, and their neighbours that would be taken for them.
LANGUAGES: Final = ("ca", "de", "en", "es", "eu", "fr", "gl", "it", "nl", "pt", "ru", "zh", "ja")
CONFIDENCE_MIN: Final = 0.6
# Enough to be sure, little enough to cost a few milliseconds.
SAMPLE_CHARACTERS: Final = 4_000
_LETTERS_MIN: Final = 20


def language_of(texts: Iterable[str]) -> str:
    """Return the BCP 47 code of the language that *texts* begin in, or `und` where in doubt."""
    sample = _sample(texts)
    if sum(map(str.isalpha, sample)) < _LETTERS_MIN:
        return UNDETERMINED
    language, confidence = _identifier().classify(sample)
    return str(language) if confidence >= CONFIDENCE_MIN else UNDETERMINED


def _sample(texts: Iterable[str]) -> str:
    parts: list[str] = []
    left = SAMPLE_CHARACTERS
    for text in texts:
        parts.append(text[:left])
        left -= len(parts[-1])
        if left <= 0:
            break
    return "\n".join(parts)


@cache
def _identifier() -> LanguageIdentifier:
    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(LANGUAGES)
    return found
