"""
A summary for whoever reviews: sentences of the document itself, none of a model's making.

A sentence counts for more when its words are frequent in the document and it stands early in its
section; what is taken is told in the order of the document, under the headings of the top.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from services.knowledge.document import Content
from services.knowledge.sentences import sentences_of

SENTENCES: Final = 6
# The contract's bound for such a text, and what headings may take of it.
CHARACTERS_MAX: Final = 1_900
_OUTLINE_MAX: Final = 500
_SENTENCE_MIN, _SENTENCE_MAX = 40, 320
_WORD: Final = re.compile(r"\w{4,}")
# Characters that no text for people may have, see contracts.message.
_ODD: Final = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


def summary_of(content: Content) -> str:
    """Return the outline and the most telling sentences, at most 1,900 characters."""
    outline = "; ".join(_outline(content))[:_OUTLINE_MAX]
    told = " … ".join(_telling(content))
    whole = f"{outline}\n\n{told}" if outline and told else outline or told
    return _ODD.sub("", whole or content.chunks[0].text)[:CHARACTERS_MAX].strip()


def _outline(content: Content) -> list[str]:
    tops = (chunk.first.headings[:2] for chunk in content.chunks)
    return list(dict.fromkeys(top[-1] for top in tops if top))


def _telling(content: Content) -> list[str]:
    found = [
        (chunk.number, at, " ".join(sentence.split()))
        for chunk in content.chunks
        for at, sentence in enumerate(sentences_of(chunk.text))
    ]
    fitting = [one for one in found if _SENTENCE_MIN <= len(one[2]) <= _SENTENCE_MAX]
    frequent = Counter(word for _, _, text in fitting for word in set(_words(text)))

    def weight(one: tuple[int, int, str]) -> float:
        words = _words(one[2])
        common = sum(frequent[word] - 1 for word in set(words))
        return common / (len(words) + 3) / (1 + 0.15 * one[1])

    best = sorted(fitting, key=lambda one: (-weight(one), one[:2]))[:SENTENCES]
    return [text for _, _, text in sorted(best)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
