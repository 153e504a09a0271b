"""
OpenAI's embeddings, as far as vectors of a sandbox can stand for those of a model.

A vector is made of the directions of the text's words, so texts with the same words are close, and
the same text always has the same one. It understands nothing: what it finds, words would find too.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from services.sandbox.tokens import count

TEXTS_MAX: Final = 2_048
TEXT_TOKENS_MAX: Final = 8_192
TOKENS_MAX: Final = 300_000
_word = re.compile(r"\w+")


class EmbeddingsWanted(msgspec.Struct):
    """What is read of a request. *input* may be one text or a list of them."""

    model: str
    input: str | list[str]
    dimensions: int | None = None
    encoding_format: str = "float"

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def tokens(self) -> int:
        return sum(count(text) for text in self.texts)

    def wrong(self, dimensions_max: int) -> str:
        """What the vendor says against it, or an empty text."""
        if not self.texts or not all(self.texts):
            return "'$.input' is invalid"
        if len(self.texts) > TEXTS_MAX:
            return f"at most {TEXTS_MAX} inputs"
        if any(count(text) > TEXT_TOKENS_MAX for text in self.texts) or self.tokens > TOKENS_MAX:
            return "context_length_exceeded: too many tokens"
        if self.dimensions is not None and not 1 <= self.dimensions <= dimensions_max:
            return f"dimensions must be from 1 to {dimensions_max}"
        if self.encoding_format != "float":
            return "this sandbox has `float` only"
        return ""


def embedded(wanted: EmbeddingsWanted, dimensions: int) -> dict[str, Any]:
    """The body of the answer."""
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(text, dimensions)}
        for index, text in enumerate(wanted.texts)
    ]
    usage = {"prompt_tokens": wanted.tokens, "total_tokens": wanted.tokens}
    return {"object": "list", "data": data, "model": wanted.model, "usage": usage}


def _vector(text: str, dimensions: int) -> list[float]:
    words = _word.findall(text.casefold()) or [""]
    found = [_direction(word, dimensions) for word in words]
    total = [sum(column) for column in zip(*found, strict=True)]
    length = sum(number * number for number in total) ** 0.5 or 1.0
    return [round(number / length, 7) for number in total]


@lru_cache(maxsize=4_096)
def _direction(word: str, dimensions: int) -> tuple[float, ...]:
    dice = random.Random(word)  # noqa: S311 - the same vectors in every run
    return tuple(dice.gauss(0, 1) for _ in range(dimensions))
