"""The catalogues: every text that the console can say is in them, with what is put into it."""

import re

import pytest
from babel.messages.pofile import read_po

from services.console import extract, said
from services.console.languages import DEFAULT, LANGUAGES, catalogue_path
from services.console.site import PAGES

TRANSLATED = tuple(language for language in LANGUAGES if language != DEFAULT)
_FIELD = re.compile(r"%\((\w+)\)s")
_CODE = re.compile(r"`[^`]+`|\bfacts\.\w+|/v1/[\w/<>-]+|VITO_\w+")


@pytest.fixture(scope="module", params=TRANSLATED)
def catalogue(request):
    """One language's texts, by the English ones."""
    with catalogue_path(request.param).open("rb") as file:
        return {one.id: one.string for one in read_po(file, locale=request.param) if one.id}


@pytest.fixture(scope="module")
def known():
    """Every text, with where it is said."""
    return extract.texts()


def test_every_text_has_a_translation_and_none_is_there_for_nothing(catalogue, known):
    """Run `python -m services.console.extract` after a change, and fill in what it names."""
    assert {text for text in known if not catalogue.get(text)} == set()
    assert set(catalogue) - set(known) == set()


def test_a_translation_has_the_same_values_and_names_the_same_things(catalogue):
    """A value that is left out would not be said; a command or a field is not translated."""
    for pattern in (_FIELD, _CODE):
        differ = {
            text: said_so
            for text, said_so in catalogue.items()
            if _things(pattern, text) != _things(pattern, said_so)
        }
        assert differ == {}


def test_a_translation_ends_as_the_text_does(catalogue):
    """A sentence stays a sentence, and what precedes a value keeps its colon."""
    marks = ".:?"
    differ = {
        text: said_so
        for text, said_so in catalogue.items()
        if (text[-1] in marks or said_so[-1] in marks) and text[-1] != said_so[-1]
    }
    assert differ == {}


def test_a_catalogue_is_as_the_command_writes_it(known):
    """So a change of it is only what was changed."""
    for language in TRANSLATED:
        written = extract.written(extract.brought_up(language, known))
        assert catalogue_path(language).read_bytes() == written


def test_texts_are_found_wherever_they_are_said(known):
    """Each kind of place, so that none of them is silently passed over."""
    assert "templates/base.html" in known["Skip to the content"]
    assert "templates/dna_calibration.html" in known["being made"]
    assert "forms.py" in known["must be a whole number"]
    assert "plain.py" in known["This must have at most %(n)s characters."]
    assert "site.py" in known["There is no such page."]
    assert "(refusals)" in known["The twin is suspended."]
    assert "(problems)" in known["No key was shown."]
    assert "(log)" in known["Woke the twin"]
    assert {page.name for page in PAGES} <= set(known)
    assert set(dict(said.said())) <= set(known)


def _things(pattern, text):
    return sorted(set(pattern.findall(text)))
