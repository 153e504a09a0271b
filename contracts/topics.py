"""What the twin must not talk about: a versioned list that every agent gets with its prompt."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from contracts.message import (
    Command,
    Event,
    Note,
    Part,
    UnixUs,
    Version,
    check_lines,
    check_prose,
    line,
)
from contracts.prompt import SavedVersion

TOPICS_MAX: Final = 100
PHRASES_MAX: Final = 100

Phrase: TypeAlias = Annotated[str, line(100)]


class Topic(Part, frozen=True, kw_only=True):
    """
    A prohibited topic and the words that give it away.

    A phrase is found as whole words, whatever their case, accents and spacing; `domain.topics` says
    exactly how.
    """

    name: Annotated[str, line(100)]
    phrases: Annotated[list[Phrase], msgspec.Meta(min_length=1, max_length=PHRASES_MAX)]


Topics: TypeAlias = Annotated[list[Topic], msgspec.Meta(max_length=TOPICS_MAX)]


def check_topics(topics: list[Topic]) -> None:
    """Raise ValueError that names the text in a command's topics that is not fit to be read."""
    # By the command: what is stored must be readable under any later rule.
    for index, topic in enumerate(topics):
        check_lines(**{f"topics[{index}].name": topic.name})
        for number, phrase in enumerate(topic.phrases):
            check_lines(**{f"topics[{index}].phrases[{number}]": phrase})


# -- Commands ----------------------------------------------------------------


class SetTopics(Command, frozen=True, kw_only=True):
    """
    Replace the whole list; it is in force at once. See SavePrompt for *expected_version*.

    Unlike a prompt it waits for no activation: what must not be said should not be said for longer.
    """

    topics: Topics
    expected_version: Version
    base_version: Version | None = None
    note: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_topics(self.topics)
        check_prose(note=self.note)


class RollBackTopics(Command, frozen=True, kw_only=True):
    """
    Put an earlier version in force again.

    With *expected_active* (0: none) only while that version is in force.
    """

    version: SavedVersion
    expected_active: Version | None = None
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


TopicsCommand: TypeAlias = SetTopics | RollBackTopics

# -- Events ------------------------------------------------------------------


class TopicsSet(Event, frozen=True):
    """Version *version* is in force from here on; no version ever changes."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    base_version: int
    topics: list[Topic]
    note: str
    actor: str


class TopicsRolledBack(Event, frozen=True):
    """Version *version* is in force again."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    previous_version: int
    reason: str
    actor: str


TopicsEvent: TypeAlias = TopicsSet | TopicsRolledBack
