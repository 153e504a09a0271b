"""
Prohibited topics: the list in force, and how a text is searched for it.

A phrase is found where its words stand in a row, as whole words: `apostar` is not in `apostarlo`.
What stands between words does not matter, nor does case, nor how Unicode spells a character (full
width, ligatures, combining marks), nor accents (`política` finds `politica` and the other way
round), nor what is invisible (soft hyphens, zero-width characters). One mark counts: ñ is a letter
of its own, so `ano` does not find `año`; but `niño` finds `nino`, as people type it. Scripts that
put no spaces between words are searched character by character.

It does not guess: other spellings (`4pu3st4s`), look-alikes of other alphabets and inflected forms
are phrases of their own. So it is a net with known holes, fast enough for every sentence; what a
model must not do is told to the model as well, for it gets the same list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from contracts.commit import AnyEvent
from contracts.questions import FINDINGS_MAX, CheckTopics, Finding, TopicsCheck
from contracts.topics import RollBackTopics, SetTopics, Topic, TopicsRolledBack, TopicsSet
from contracts.views import TopicsView
from domain import versions
from domain.refusals import TOPICS_INVALID, TWIN_UNKNOWN
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head

CHARS_MAX: Final = 50_000
PHRASES_MAX: Final = 2_000
# Of a phrase. With the bound of a text it keeps the worst search to a few hundredths of a second,
# for which a gate answers nobody else.
WORDS_MAX: Final = 16

# What stands between words: spaces, punctuation, symbols. Everything else is part of one.
_BETWEEN: Final = (
    r"\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xa9\xab\xac\xae-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7"
    r"\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0609-\u060d\u061b\u061d-\u061f"
    r"\u066a-\u066d\u06d4\u0964\u0965\u0970\u1360-\u1368\u166e\u1680\u16eb-\u16ed"
    r"\u2000-\u200a\u2010-\u2029\u202f-\u205f\u20a0-\u20cf\u2190-\u245f\u2500-\u27ff\u2900-\u2bff"
    r"\u2e00-\u2e2e\u2e30-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\ud800-\udfff\ufd3e\ufd3f"
    r"\ufe10-\ufe19\ufe30-\ufe52\ufe54-\ufe6b\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
    r"\U0001f000-\U0001f0ff\U0001f200-\U0001faff"
)
# Accents, the vowel points of Hebrew and Arabic: with or without them it is the same word.
_MARKS: Final = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
# What nobody sees, so that it must not hide a word either.
_UNSEEN: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
# Thai, Lao, Tibetan, Burmese, Khmer, kana, Han: no spaces between words.
_UNSPACED: Final = (
    r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD: Final = re.compile(rf"[{_UNSPACED}][{_MARKS}{_UNSEEN}]*|[^{_BETWEEN}{_UNSPACED}]+")
_drop_unseen = re.compile(f"[{_UNSEEN}]+").sub
_drop_marks = re.compile(f"[{_MARKS}]+").sub
_TILDE_N: Final = "n\u0303"
_KEPT_N: Final = "\u00f1"


class _Word(NamedTuple):
    """A word without case and accents: with its ñ, and with an n instead; where it stands."""

    kept: str
    plain: str
    start: int
    end: int


class _Node:
    """
    A place in the tree of all phrases, word by word, so that a text is gone through once.

    *kept* and *plain* lead on by the next word: with its ñ, or with an n if the phrase has the ñ.
    """

    __slots__ = ("ends", "kept", "plain")

    def __init__(self) -> None:
        self.kept: dict[str, _Node] = {}
        self.plain: dict[str, _Node] = {}
        self.ends: list[tuple[str, str]] = []


def check(topics: Sequence[Topic], text: str) -> list[Finding]:
    """Find the phrases of *topics* in *text*: at most 100, in the order of the text."""
    tree = _tree(tuple((topic.name, *topic.phrases) for topic in topics))
    found: list[Finding] = []
    words = list(_words(text))
    for at in range(len(words)):
        found += _found_at(tree, words, at)
        if len(found) >= FINDINGS_MAX:
            break
    return found[:FINDINGS_MAX]


def _found_at(tree: _Node, words: list[_Word], at: int) -> Iterator[Finding]:
    """Yield the phrases that begin at a word."""
    start, places = words[at].start, [tree]
    while places and at < len(words):
        word = words[at]
        places = list(_next(places, word))
        for place in places:
            for topic, phrase in place.ends:
                yield Finding(topic, phrase, start, word.end)
        at += 1


def _next(places: list[_Node], word: _Word) -> Iterator[_Node]:
    for place in places:
        for node in (place.kept.get(word.kept), place.plain.get(word.plain)):
            if node is not None:
                yield node


@lru_cache(maxsize=16)
def _tree(topics: tuple[tuple[str, ...], ...]) -> _Node:
    tree = _Node()
    for topic, *phrases in topics:
        for phrase in phrases:
            place = tree
            for word in _words(phrase):
                has_tilde = word.kept != word.plain
                ways = place.plain if has_tilde else place.kept
                place = ways.setdefault(word.plain, _Node())
            if place is not tree:
                place.ends.append((topic, phrase))
    return tree


def _words(text: str) -> Iterator[_Word]:
    for at in _WORD.finditer(text):
        kept, plain = _folded(at[0])
        if plain:
            yield _Word(kept, plain, at.start(), at.end())


def _folded(word: str) -> tuple[str, str]:
    if word.isascii():
        lower = word.lower()
        return lower, lower
    seen = unicodedata.normalize("NFKD", _drop_unseen("", word)).casefold()
    # Once more: folding the case may bring marks of its own.
    apart = unicodedata.normalize("NFKD", seen)
    kept = _drop_marks("", apart.replace(_TILDE_N, _KEPT_N))
    return kept, kept.replace(_KEPT_N, "n")


# -- Commands ------------------------------------------------------------------


def set_topics(state: State, command: SetTopics, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    expected, base = command.expected_version, command.base_version
    stopped = versions.why_not_saved(state.topics, expected, base)
    if stopped is not None:
        return [refuse(state, command, envelope, *stopped)]
    broken = contradiction(command.topics)
    if broken is not None:
        field, rule = broken
        return [refuse(state, command, envelope, TOPICS_INVALID, {"field": field, "rule": rule})]
    return [
        TopicsSet(
            *head(state, command, envelope),
            state.topics.latest + 1,
            expected if base is None else base,
            command.topics,
            command.note,
            envelope.actor,
        )
    ]


def roll_back(state: State, command: RollBackTopics, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    version, expected = command.version, command.expected_active
    stopped = versions.why_not_in_force(state.topics, version, expected)
    if stopped is not None:
        return [refuse(state, command, envelope, *stopped)]
    return [
        TopicsRolledBack(
            *head(state, command, envelope),
            version,
            state.topics.active,
            command.reason,
            envelope.actor,
        )
    ]


def contradiction(topics: Sequence[Topic]) -> tuple[str, str] | None:
    """Return the field of a list that cannot be, and the rule that it breaks, if there is one."""
    names: set[str] = set()
    for index, topic in enumerate(topics):
        name = topic.name.casefold()
        if name in names:
            return f"topics[{index}].name", f"{topic.name} is in the list twice"
        names.add(name)
        for number, phrase in enumerate(topic.phrases):
            if not 0 < sum(1 for _ in _words(phrase)) <= WORDS_MAX:
                rule = f"must have 1 to {WORDS_MAX} words; signs and spaces are none"
                return f"topics[{index}].phrases[{number}]", rule
    phrases = sum(len(topic.phrases) for topic in topics)
    if phrases > PHRASES_MAX:
        return "topics", f"at most {PHRASES_MAX} phrases in all topics together, not {phrases}"
    chars = sum(len(topic.name) + sum(map(len, topic.phrases)) for topic in topics)
    if chars > CHARS_MAX:
        return "topics", f"at most {CHARS_MAX} characters in all topics together, not {chars}"
    return None


def evolve(state: State, event: TopicsSet | TopicsRolledBack) -> None:
    """Apply one fact about the topics."""
    if isinstance(event, TopicsSet):
        versions.saved(state.topics, event)
    versions.put_in_force(
        state.topics,
        event.version,
        at_us=event.at_us,
        actor=event.actor,
        decision=event.decision,
    )


# -- Questions -----------------------------------------------------------------


def in_force(state: State) -> list[Topic]:
    """Return the topics in force."""
    found = state.topics.kept.get(state.topics.active)
    return found.topics if found else []


def topics_view(state: State, _now_us: int) -> TopicsView:
    """Show the topics in force."""
    kept = state.topics
    return TopicsView(
        tenant=state.name,
        position=state.position,
        version=kept.active,
        topics=in_force(state),
        latest_version=kept.latest,
        active_by=kept.active_by,
        active_since_us=kept.active_since_us or None,
        kept_from=versions.kept_from(kept),
        active_decision=kept.active_decision,
    )


def answer(state: State, question: CheckTopics) -> TopicsCheck:
    """Search a text for the topics in force."""
    return TopicsCheck(
        tenant=state.name,
        position=state.position,
        version=state.topics.active,
        findings=check(in_force(state), question.text),
    )


COMMANDS: Final[Decisions] = {
    SetTopics: (set_topics, TopicsSet),
    RollBackTopics: (roll_back, TopicsRolledBack),
}
