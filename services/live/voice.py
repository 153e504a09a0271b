"""
The voice of one turn: it says sentences in the order in which they come, while others are written.

    async with Voice(...) as voice:
        await voice.say(sentence)         waits when too many are unsaid
    voice.silenced                        the decision that took the voice away, or None
    voice.has_spoken                      whether anything was heard

Each sentence is a vendor call with a grant of its own, so a voice is stopped by the gate between
two sentences and never after the money is gone. What is not said has been written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import msgspec

from contracts.replies import Decision
from contracts.stream import AudioPiece as VoicePiece
from services import logs
from services.client import GateClient
from services.live.failures import CALL_FAILED
from services.vendors.adapter import Vendors
from services.vendors.metered import Decided
from services.vendors.metered_pieces import metered_pieces
from services.vendors.speech.speaking import AudioPiece, Speech, SpeechRequest

UNSAID_MAX: Final = 8
# A sentence that comes too early, or that could not be verified, says nothing about the rung.
PASSING: Final = frozenset((HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE))


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """How a twin sounds: whose product, which voice of theirs, in which language, how fast."""

    speech: Speech
    sku: str
    voice: str
    language: str
    speed: float = 1.0


class Voice:
    """See the module. *hear* gets the audio, *decided* each decision before its delay."""

    def __init__(
        self,
        gate: GateClient,
        vendors: Vendors,
        sound: Sound,
        session_id: str,
        *,
        hear: Callable[[VoicePiece], Awaitable[None]],
        decided: Decided | None = None,
    ) -> None:
        self._gate = gate
        self._vendors = vendors
        self._sound = sound
        self._session_id = session_id
        self._hear = hear
        self._decided = decided
        self._unsaid: asyncio.Queue[str | None] = asyncio.Queue(UNSAID_MAX)
        self._saying: asyncio.Task[None] | None = None
        self.silenced: Decision | None = None
        self.has_spoken = False

    async def __aenter__(self) -> Self:
        self._saying = asyncio.create_task(self._say_all(), name="voice")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        problem: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._saying is not None, "entered before"
        try:
            if problem is None:
                await self._put(None)
                await asyncio.shield(self._saying)
        finally:
            # Also when we are cancelled: it must not go on speaking alone.
            self._saying.cancel()
            with suppress(asyncio.CancelledError):
                await self._saying

    async def say(self, sentence: str) -> None:
        """Say a sentence after those before it; once silenced, nothing."""
        if self.silenced is None and sentence.strip():
            await self._put(sentence.strip())

    async def _put(self, sentence: str | None) -> None:
        saying = self._saying
        assert saying is not None, "entered before"
        putting = asyncio.ensure_future(self._unsaid.put(sentence))
        try:
            await asyncio.wait((putting, saying), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        if saying.done():
            # Nobody takes sentences any more: what has happened to the voice happens to the turn.
            saying.result()

    async def _say_all(self) -> None:
        while (sentence := await self._unsaid.get()) is not None:
            if self.silenced is None:
                await self._say(sentence)

    async def _say(self, sentence: str) -> None:
        sound = self._sound
        request = SpeechRequest(sentence, sound.voice, sound.language, sound.speed)
        way = sound.speech.way(sound.sku, request)
        call = metered_pieces(
            self._gate, self._vendors, way, session_id=self._session_id, decided=self._decided
        )
        try:
            async with call:
                if not call.granted:
                    self._refused(call.decision)
                    return
                async for piece in call:
                    if isinstance(piece, AudioPiece):
                        self.has_spoken = True
                        await self._hear(VoicePiece(pcm=piece.pcm, sample_hz=piece.sample_rate))
        except CALL_FAILED as problem:
            # It is written already; the next sentence is tried again.
            self._unsaid_because(type(problem).__name__)

    def _refused(self, decision: Decision) -> None:
        if decision.status in PASSING:
            self._unsaid_because(decision.code)
        else:
            self.silenced = decision

    def _unsaid_because(self, reason: str) -> None:
        logs.get().warning("sentence_not_said", tenant=self._gate.tenant, reason=reason)
