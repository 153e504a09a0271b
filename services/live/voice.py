"""
The voice of one turn: it says sentences in the order in which they come, while others are written.

    async with Voice(...) as voice:
        await voice.say(sentence)         waits when too many are unsaid
    voice.silenced                        the decision that took the voice away, or None

Each sentence is a vendor call with a grant of its own, so a voice is stopped by the gate between two
sentences and never after the money is gone. What is not said has been written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import msgspec

from contracts.replies import Decision, Receipt
from contracts.stream import AudioPiece as VoicePiece
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify, NoGrant, SecretRefused
from services.vendors.adapter import (
    BeyondGrant,
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
)
from services.vendors.metered_pieces import metered_pieces
from services.vendors.speech import AudioPiece, Speech, SpeechRequest

UNSAID_MAX: Final = 8
# What a vendor, the vault or the gate may do to a call without it being our mistake.
CALL_FAILED: Final = (
    BeyondGrant,
    CannotVerify,
    NoGrant,
    SecretRefused,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
)


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """How a twin sounds: whose product, which voice of theirs, in which language, how fast."""

    speech: Speech
    sku: str
    voice: str
    language: str
    speed: float = 1.0


class Voice:
    """See the module. *hear* gets the audio, *booked* the receipt of each sentence."""

    def __init__(
        self,
        gate: GateClient,
        vendors: Vendors,
        sound: Sound,
        session_id: str,
        *,
        hear: Callable[[VoicePiece], Awaitable[None]],
        booked: Callable[[Receipt | None], None],
    ) -> None:
        self._gate = gate
        self._vendors = vendors
        self._sound = sound
        self._session_id = session_id
        self._hear = hear
        self._booked = booked
        self._unsaid: asyncio.Queue[str | None] = asyncio.Queue(UNSAID_MAX)
        self._saying: asyncio.Task[None] | None = None
        self.silenced: Decision | None = None

    async def __aenter__(self) -> Self:
        self._saying = asyncio.create_task(self._say_all())
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        problem: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._saying is not None, "entered before"
        if problem is None:
            await self._unsaid.put(None)
        else:
            self._saying.cancel()
        try:
            await self._saying
        except asyncio.CancelledError:
            if problem is None:
                # We were cancelled, not our task: it must not go on speaking alone.
                self._saying.cancel()
                raise

    async def say(self, sentence: str) -> None:
        """Say a sentence after those before it; once silenced, nothing."""
        if self.silenced is None and sentence.strip():
            await self._unsaid.put(sentence.strip())

    async def _say_all(self) -> None:
        while (sentence := await self._unsaid.get()) is not None:
            if self.silenced is None:
                await self._say(sentence)

    async def _say(self, sentence: str) -> None:
        sound = self._sound
        request = SpeechRequest(sentence, sound.voice, sound.language, sound.speed)
        way = sound.speech.way(sound.sku, request)
        call = metered_pieces(self._gate, self._vendors, way, session_id=self._session_id)
        try:
            async with call:
                if not call.granted:
                    self.silenced = call.decision
                    return
                async for piece in call:
                    if isinstance(piece, AudioPiece):
                        await self._hear(VoicePiece(pcm=piece.pcm, sample_hz=piece.sample_rate))
        except CALL_FAILED as problem:
            # It is written already; the next sentence is tried again.
            logs.get().warning(
                "sentence_not_said", tenant=self._gate.tenant, reason=type(problem).__name__
            )
        self._booked(call.receipt)
