"""
What a conversation does, as the gateway sees it.

The gateway knows connections, limits and positions; the engine behind this knows the twin, its
vendors and the gate. One turn is asked at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

from contracts.deployment import Ceiling
from contracts.prompt import VariableValue
from contracts.stream import ConversationEvent, Shown
from services.query_api.problems import HttpProblem

# Why a conversation is closed: somebody has left (said so, or did not come back), is silent, or may
# not be here any more; the twin has ended it; the gateway stops, or has failed.
Reason: TypeAlias = Literal[
    "user_exit", "lost", "idle", "not_allowed", "ended", "stopping", "error"
]


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who wants to talk with which twin, and how.

    *session_id* is the visitor's own, or new for a service. *deployment* and *ceiling* are of a
    visitor only; *disclosure* is due when it is not None. *language* is empty for the twin's own.
    *values* are of the prompt's variables, as whoever wants to talk has given them; of others
    nothing is used.
    """

    tenant: str
    principal: str
    session_id: str
    modality: Ceiling
    language: str = ""
    deployment: str = ""
    ceiling: Ceiling | None = None
    disclosure: Shown | None = None
    values: Mapping[str, VariableValue] = {}


class CutOff(HttpProblem):
    """Why a conversation ends at once: no sound of it that was not sent yet is sent any more."""


class Conversation(Protocol):
    """
    One conversation. All of these are called by one gateway, in one event loop.

    *modality* is what was granted, and *listens* whether speech is understood, for `welcome`.
    """

    @property
    def modality(self) -> Ceiling: ...

    @property
    def listens(self) -> bool: ...

    async def disclosed(self, version: int) -> None:
        """Note that the disclosure was shown, before any turn. Raises HttpProblem."""

    async def say(self, turn: str, text: str) -> None:
        """
        Take a turn to its end; its events end with `TurnEnded`.

        Raises HttpProblem, without any event of the turn, when it is refused as a whole: then the
        gateway says `Refused` and `TurnEnded`. Being throttled is waiting in here.
        """

    async def hear(self, speech: int, pcm: bytes) -> None:
        """Take a piece of what somebody says, 16 kHz mono s16le; *speech* counts utterances."""

    async def answer(self, turn: str, speech: int) -> None:
        """Take a turn about an utterance that is complete; otherwise as `say`."""

    async def interrupt(self) -> None:
        """Let the running turn end at once, with the outcome `interrupted`. Harmless without."""

    def events(self) -> AsyncIterator[ConversationEvent]:
        """
        Yield what happens, in turns and between them; asked once, and read as fast as a client is.

        Ends when the twin has ended the conversation; raises HttpProblem to say why, CutOff when
        it was stopped.
        """

    async def close(self, reason: Reason) -> None:
        """Settle everything; afterwards nothing is called any more."""


class Conversations(Protocol):
    """The engine."""

    async def open(self, opening: Opening) -> Conversation:
        """Begin a conversation; raises HttpProblem when there is none to be had."""
