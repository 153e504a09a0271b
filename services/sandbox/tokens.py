"""How the sandbox's language model cuts text: the same text is always the same tokens."""

from __future__ import annotations

import re

# Five letters, three digits or one sign, with the space before it; joined they are the text.
_token = re.compile(r" ?[^\W\d_]{1,5}| ?\d{1,3}| ?[^\w\s]|\s|_", re.DOTALL)


def tokens_of(text: str) -> list[str]:
    """The tokens of *text*, in order."""
    return _token.findall(text)


def count(text: str) -> int:
    """How many tokens *text* has."""
    return sum(1 for _ in _token.finditer(text))
