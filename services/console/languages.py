"""
English and Spanish: what the pages say, from the catalogues in `locale/`.

The texts in templates and code are the English ones. `locale/<language>.po` has the others; it is
read when the process starts, so nothing has to be compiled. What the gate itself says (titles and
remedies of refusals) goes through the same catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from services.console.said import ENUM_WORDS

LANGUAGES: Final[dict[str, str]] = {"en": "English", "es": "Español"}
DEFAULT: Final = "en"
_FOLDER: Final = Path(__file__).with_name("locale")


class Words:
    """What is said in one language; a text without a translation is said as it is."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, text: str, /, **values: object) -> str:
        """Say *text*, with each `%(name)s` in it replaced; a moment, say, stays markup."""
        # What is a word of the contracts is written for people: `user_exit` is "user exit".
        said = self._texts.get(text) or (text.replace("_", " ") if text in ENUM_WORDS else text)
        if any(isinstance(value, Markup) for value in values.values()):
            return escape(said) % values
        return said % values if values else said


def catalogue_path(language: str) -> Path:
    """Return the file of a language other than English."""
    return _FOLDER / f"{language}.po"


@cache
def read_words() -> Mapping[str, Words]:
    """Read every catalogue, once in a process."""
    return {language: Words(language, _texts(language)) for language in LANGUAGES}


def _texts(language: str) -> dict[str, str]:
    path = catalogue_path(language)
    if language == DEFAULT:
        return {}
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    return {
        str(message.id): str(message.string)
        for message in catalogue
        if message.id and message.string and not message.fuzzy
    }


def preferred(cookie: str | None, accepted: str) -> str:
    """Choose: what somebody has chosen here, else the first known of what their browser accepts."""
    if cookie in LANGUAGES:
        return str(cookie)
    ranked = sorted((_quality(one), -at, _name(one)) for at, one in enumerate(accepted.split(",")))
    known = (name for quality, _, name in reversed(ranked) if quality > 0 and name in LANGUAGES)
    return next(known, DEFAULT)


def _name(part: str) -> str:
    return part.split(";", maxsplit=1)[0].strip().lower().split("-")[0]


def _quality(part: str) -> float:
    _, _, quality = part.partition(";q=")
    try:
        return float(quality or 1)
    except ValueError:
        return 0.0
