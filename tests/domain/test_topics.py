"""Prohibited topics: versions as those of prompts, and what a text is found to be about."""
# ruff: noqa: RUF001 - words of other alphabets are the point

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.access import OPERATOR
from contracts.message import fault_in_line
from contracts.questions import CheckTopics
from contracts.topics import Topic, TopicsRolledBack, TopicsSet
from domain import topics
from domain.topics import check
from domain.views import answer, view
from tests.domain.world import NOON, Twin


def topic(*phrases: str, name: str = "t") -> Topic:
    return Topic(name=name, phrases=list(phrases))


BETS = topic("apostar", "casa de apuestas", name="apuestas")
VOTES = topic("elecciones", name="política")


def found(phrase: str, text: str) -> list[str]:
    """The parts of *text* that a phrase is found in."""
    return [text[f.start : f.end] for f in check([topic(phrase)], text)]


class TestVersions:
    def test_a_list_is_in_force_as_soon_as_it_is_set(self):
        """What must not be said must not be said for longer."""
        twin = Twin()

        event = twin.set_topics(BETS, note="legal")

        assert type(event) is TopicsSet
        assert (event.version, event.base_version, event.actor) == (1, 0, "operator")
        shown = view("topics", twin.state, NOON)
        assert (shown.version, shown.topics, shown.active_by) == (1, [BETS], "operator")

    def test_an_earlier_one_comes_back_in_one_event(self):
        """And the next list is a new version, not one of before."""
        twin = Twin()
        twin.set_topics(BETS)
        twin.set_topics(VOTES)

        event = twin.roll_back_topics(1, reason="too wide")

        assert type(event) is TopicsRolledBack
        assert (event.version, event.previous_version) == (1, 2)
        shown = view("topics", twin.state, NOON)
        assert (shown.version, shown.latest_version, shown.topics) == (1, 2, [BETS])
        assert twin.set_topics(BETS, VOTES).version == 3

    def test_of_two_editors_the_second_is_told(self):
        """A topic that somebody else has added must not vanish."""
        twin = Twin()
        twin.set_topics(BETS)

        refused = twin.set_topics(VOTES, expected=0)

        assert (refused.code, refused.facts) == (
            "version_conflict",
            {"current_version": 1, "saved_by": "operator"},
        )
        assert twin.roll_back_topics(1).code == "already_in_force"
        assert twin.roll_back_topics(9).code == "version_unknown"

    @pytest.mark.parametrize(
        ("listed", "field"),
        [
            ([BETS, topic("x", name="APUESTAS")], "topics[1].name"),
            ([topic("bien", "¡!… —")], "topics[0].phrases[1]"),
            ([topic("\u200b")], "topics[0].phrases[0]"),
            ([topic("a " * 17)], "topics[0].phrases[0]"),
            ([topic(*("p" * 90 for _ in range(100)), name=str(n)) for n in range(6)], "topics"),
            ([topic(*("p" for _ in range(100)), name=str(n)) for n in range(21)], "topics"),
        ],
    )
    def test_a_list_that_cannot_work_is_refused(self, listed, field):
        """A phrase that can never be found would be a false sense of safety."""
        refused = Twin().set_topics(*listed)

        assert (refused.code, refused.status, refused.facts["field"]) == (
            "topics_invalid",
            422,
            field,
        )

    def test_none_at_all_is_a_list(self):
        """Somebody must be able to lift everything, and to put it back."""
        twin = Twin()
        twin.set_topics(BETS)

        assert twin.set_topics().version == 2
        assert check(topics.in_force(twin.state), "apostar") == []


class TestCheck:
    @pytest.mark.parametrize(
        ("phrase", "text", "parts"),
        [
            ("apostar", "Quiero APOSTAR.", ["APOSTAR"]),
            ("apostar", "apostarlo, reapostar", []),
            ("apostar", "apostar, ¿apostar?", ["apostar", "apostar"]),
            ("casa de apuestas", "la Casa   de\napuestas", ["Casa   de\napuestas"]),
            ("casa de apuestas", "casa-de-apuestas", ["casa-de-apuestas"]),
            ("casa de apuestas", "casa de las apuestas", []),
            ("política", "POLITICA políti\u0301ca", ["POLITICA", "políti\u0301ca"]),
            ("politica", "política", ["política"]),
            ("ano", "este año", []),
            ("ano", "este an\u0303o", []),
            ("niño", "los ninos, el nino, el niño", ["nino", "niño"]),
            ("strasse", "STRAẞE Straße", ["STRAẞE", "Straße"]),
            ("ﬁnanzas", "finanzas", ["finanzas"]),
            ("apostar", "ａｐｏｓｔａｒ", ["ａｐｏｓｔａｒ"]),
            ("apostar", "apo\u00adstar ap\u200bostar", ["apo\u00adstar", "ap\u200bostar"]),
            ("24/7", "abierto 24 7", ["24 7"]),
            ("c++", "Soy C", ["C"]),
            ("賭博", "違法賭博は", ["賭博"]),
            ("การพนัน", "เล่นการพนันออนไลน์", ["การพนัน"]),
            ("जुआ", "यह जुआ है, जुआरी", ["जुआ"]),
            ("שלום", "שָׁלוֹם", ["שָׁלוֹם"]),
            ("ставка", "СТАВКА!", ["СТАВКА"]),
            ("gol", "gol\ud800gol", ["gol", "gol"]),
        ],
    )  # fmt: skip
    def test_finds_whole_words_however_they_are_spelled(self, phrase, text, parts):
        """Case, accents, spacing, width and what is invisible do not hide a word; ñ is a letter."""
        assert found(phrase, text) == parts

    def test_says_which_topic_and_where(self):
        """An editor wants to know why a sentence was held back."""
        text = "¿Una casa de apuestas en elecciones?"

        (first, second) = check([BETS, VOTES], text)

        assert (first.topic, first.phrase) == ("apuestas", "casa de apuestas")
        assert text[first.start : first.end] == "casa de apuestas"
        assert (second.topic, text[second.start : second.end]) == ("política", "elecciones")

    def test_phrases_that_begin_alike_are_all_found(self):
        """One tree holds them all; none hides another."""
        listed = [
            topic("casa", "casa de apuestas", "casa de campo", name="a"),
            topic("casa", name="b"),
        ]

        assert [(f.topic, f.phrase) for f in check(listed, "casa de apuestas")] == [
            ("a", "casa"),
            ("b", "casa"),
            ("a", "casa de apuestas"),
        ]

    def test_is_bounded(self):
        """A text of one word a thousand times is one fact."""
        assert len(check([topic("a")], "a " * 1_000)) == 100

    @given(
        words=st.lists(st.sampled_from(["año", "AÑO", "ano", "niño"]), min_size=1, max_size=4),
        before=st.text(max_size=20),
        after=st.text(max_size=20),
    )
    def test_a_phrase_is_always_found_in_a_text_that_has_it(self, words, before, after):
        """
        Goal: nothing around a phrase hides it.
        Method: any text with the phrase in it, between spaces.
        """
        phrase = " ".join(words)

        text = f"{before} {phrase} {after}"

        start = len(before) + 1
        assert (start, start + len(phrase)) in {
            (f.start, f.end) for f in check([topic(phrase)], text)
        } or len(check([topic(phrase)], text)) == 100

    @given(
        text=st.text(max_size=200),
        phrase=st.text(min_size=1, max_size=20).filter(lambda text: fault_in_line(text) is None),
    )
    def test_any_text_can_be_searched_for_anything(self, text, phrase):
        """Lone surrogates, emoji, unassigned characters: found or not, but never a fault."""
        for f in check([topic(phrase)], text):
            assert 0 <= f.start < f.end <= len(text)

    def test_no_letter_digit_or_mark_is_taken_for_what_stands_between_words(self):
        """The table of separators is written by hand; Unicode's own is what it must agree with."""
        between = re.compile(f"[{topics._BETWEEN}]").fullmatch
        wrong = [
            hex(code)
            for code in range(sys.maxunicode + 1)
            if (between(chr(code)) and unicodedata.category(chr(code))[0] in "LM")
            or (between(chr(code)) and unicodedata.category(chr(code)) == "Nd")
        ]  # fmt: skip
        spaces = [
            hex(code)
            for code in range(sys.maxunicode + 1)
            if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp"} and not between(chr(code))
        ]

        assert (wrong, spaces) == ([], [])

    def test_what_an_agent_asks_is_answered_from_the_list_in_force(self):
        """Over the bus it is the same function."""
        twin = Twin()
        twin.set_topics(BETS)

        told = answer(CheckTopics(text="apostar y elecciones"), twin.state, OPERATOR, NOON)

        assert (told.version, [f.topic for f in told.findings]) == (1, ["apuestas"])
