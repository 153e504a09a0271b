"""
What was said before, as a model is told it again: the latest turns that fit.

Bounded by `most_tokens`, the same upper bound that the hold of a call is made of; so a conversation
of hours never makes a call dearer than its twin can afford.
"""

from __future__ import annotations

from collections import deque

from services.vendors.chat.model import ChatMessage
from services.vendors.chat.tokens import most_tokens

TOKENS_MAX = 12_000
TURNS_MAX = 200


class Memory:
    """The turns of one conversation, oldest first; an answer that was cut off is kept as it was."""

    def __init__(self, tokens_max: int = TOKENS_MAX) -> None:
        self._tokens_max = tokens_max
        self._turns: deque[tuple[ChatMessage, ChatMessage]] = deque(maxlen=TURNS_MAX)

    def keep(self, asked: str, answered: str) -> None:
        """Remember a turn; one without an answer is not worth a model's attention."""
        if answered:
            self._turns.append((ChatMessage("user", asked), ChatMessage("assistant", answered)))

    def messages(self) -> list[ChatMessage]:
        """Return the latest turns that fit, whole."""
        left, kept = self._tokens_max, []
        for turn in reversed(self._turns):
            left -= sum(most_tokens(message.content) for message in turn)
            if left < 0:
                break
            kept.append(turn)
        return [message for turn in reversed(kept) for message in turn]
