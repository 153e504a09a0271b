"""A conversation that does what a test says: the engine's side of services.gateway.conversation."""

from __future__ import annotations

import asyncio

from contracts.stream import TextPiece, TurnEnded, TurnStarted

OVER = object()


class ScriptedConversation:
    """It repeats what it hears, unless `script(conversation, turn, text)` says otherwise."""

    def __init__(self, opening, script):
        self.opening = opening
        self.modality, self.listens = opening.modality, True
        self.script = script
        self.said, self.spoken, self.heard = [], [], []
        self.shown, self.interrupted, self.closed = [], 0, None
        self.has_closed = asyncio.Event()
        self._events = asyncio.Queue()

    async def disclosed(self, version):
        self.shown.append(version)

    async def say(self, turn, text):
        self.said.append((turn, text))
        await self.script(self, turn, text)

    async def hear(self, speech, pcm):
        self.heard.append((speech, pcm))

    async def answer(self, turn, speech):
        self.spoken.append((turn, speech))
        await self.script(self, turn, f"speech {speech}")

    async def interrupt(self):
        self.interrupted += 1

    async def close(self, reason):
        self.closed = reason
        self.has_closed.set()

    async def events(self):
        while (event := await self._events.get()) is not OVER:
            if isinstance(event, Exception):
                raise event
            yield event

    def tell(self, *events):
        """Let these happen; an exception is raised, OVER ends the conversation."""
        for event in events:
            self._events.put_nowait(event)


async def repeat(conversation, turn, text):
    """A whole turn."""
    conversation.tell(
        TurnStarted(turn=turn),
        TextPiece(turn=turn, text=text),
        TurnEnded(turn=turn, outcome="done", cost_nanos=7),
    )


class ScriptedConversations:
    """See Conversations. *opened* are all that were begun; *fault* is raised instead."""

    def __init__(self):
        self.opened = []
        self.fault = None
        self.script = repeat

    async def open(self, opening):
        if self.fault is not None:
            raise self.fault
        self.opened.append(ScriptedConversation(opening, self._script))
        return self.opened[-1]

    async def _script(self, conversation, turn, text):
        await self.script(conversation, turn, text)
