"""One valid example of every message; used by the tests of schema, round trip and spelling."""

from contracts.examples import (
    CONTENT,
    EXAMPLES,
    HASH,
    PERSON,
    POLICY,
    PRICE_BOOK,
    SECRET,
    TERMS,
    VISITOR,
)
from tests.examples.answers import ANSWERS, PUSHED, QUESTIONS, REPLIES, VIEWS
from tests.examples.events import EVENTS

__all__ = ["CONTENT", "HASH", "PERSON", "POLICY", "PRICE_BOOK", "SECRET", "TERMS", "VISITOR"]

COMMANDS = list(EXAMPLES.values())
MESSAGES = [*COMMANDS, *EVENTS, *REPLIES, *VIEWS, *QUESTIONS, *ANSWERS, *PUSHED]
