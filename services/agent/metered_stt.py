"""
The ear of a twin: each utterance is a call of its own, with a grant of its own.

What the visitor's microphone sends is listened to here, for nothing; only what somebody spoke is
sent to a vendor, in parts of at most 20 s, each held for by its length. Its text goes to the
library, which answers once they have ended. It never raises what the library would count as an
error: what is refused or fails is not heard, and the twin says so.

Prohibited topics are looked for in what was heard where it is answered (`metered_llm`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from livekit.agents import LanguageCode, stt, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from services import logs
from services.agent.endpointing import (
    SAMPLE_RATE,
    Began,
    Endpointer,
    Heard,
    Insists,
    Spoken,
)
from services.agent.metered_llm import ONE_ATTEMPT
from services.agent.talk import Talk
from services.live.failures import CALL_FAILED
from services.vendors.metered import metered_call
from services.vendors.speech.hearing import Hearing, HearingRequest, heard_of

# What was spoken and waits to be understood; a vendor that is slower than people loses the rest.
WAITING_MAX: Final = 4
DELAY_MS_MAX: Final = 2_000
_US: Final = 1_000_000


class MeteredSTT(stt.STT[Any]):
    """The ear of *talk*'s twin; there must be one among its products."""

    def __init__(self, talk: Talk) -> None:
        assert talk.products.ear is not None, "a twin that listens has a product for it"
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=False, offline_recognize=False
            )
        )
        self._talk = talk
        self._hearing: Hearing = talk.products.ear

    @property
    def model(self) -> str:
        """The product, as the price book calls it."""
        return self._talk.products.ear_sku

    @property
    def provider(self) -> str:
        """The vendor."""
        return self._hearing.provider_id

    def prewarm(self) -> None:
        """Do nothing: a vendor is not asked before somebody has authorised it."""

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,  # noqa: ARG002
        *,
        language: NotGivenOr[str] = NOT_GIVEN,  # noqa: ARG002
        conn_options: APIConnectOptions,  # noqa: ARG002
    ) -> stt.SpeechEvent:
        # Nobody of the library asks it: the capabilities say so.
        raise TypeError("a twin listens to a stream")

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,  # noqa: ARG002
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,  # noqa: ARG002
    ) -> stt.RecognizeStream:
        """Listen to a microphone."""
        return MeteredHearing(self, self._talk, self._hearing)


class MeteredHearing(stt.RecognizeStream):
    """One microphone, as long as it is listened to."""

    def __init__(self, ear: MeteredSTT, talk: Talk, hearing: Hearing) -> None:
        self._talk = talk
        self._hearing = hearing
        self._endpointer = Endpointer()
        self._waiting: asyncio.Queue[Spoken] = asyncio.Queue(WAITING_MAX)
        super().__init__(stt=ear, conn_options=ONE_ATTEMPT, sample_rate=SAMPLE_RATE)

    async def _run(self) -> None:
        understanding = asyncio.create_task(self._understand_all(), name="understand")
        try:
            async for part in self._input_ch:
                if isinstance(part, self._FlushSentinel):
                    continue
                for heard in self._endpointer.take(bytes(part.data)):
                    self._notice(heard)
            for heard in self._endpointer.end():
                self._notice(heard)
            await self._waiting.join()
        finally:
            understanding.cancel()
            with suppress(asyncio.CancelledError):
                await understanding

    def _notice(self, heard: Heard) -> None:
        match heard:
            case Began():
                self._tell(stt.SpeechEventType.START_OF_SPEECH)
            case Insists():
                self._talk.watcher.visitor_insists()
            case Spoken():
                try:
                    self._waiting.put_nowait(heard)
                except asyncio.QueueFull:
                    logs.get().warning("speech_lost", tenant=self._talk.gate.tenant)
                    self._talk.watcher.unheard()

    async def _understand_all(self) -> None:
        while True:
            spoken = await self._waiting.get()
            try:
                if spoken.pcm:
                    await self._understand(spoken.pcm)
                # Who has gone on meanwhile is answered when they have ended.
                if spoken.is_last and not self._endpointer.is_speaking:
                    self._tell(stt.SpeechEventType.END_OF_SPEECH)
            finally:
                self._waiting.task_done()

    async def _understand(self, pcm: bytes) -> None:
        """Have it understood: one call. What comes of it is told, and nothing is raised."""
        talk = self._talk
        request = HearingRequest(pcm, talk.spoken_language, SAMPLE_RATE)
        try:
            made = await metered_call(
                talk.gate,
                talk.vendors,
                self._hearing.way(talk.products.ear_sku, request),
                session_id=talk.session_id,
                max_delay_ms=DELAY_MS_MAX,
                decided=talk.watcher.decided,
            )
        except CALL_FAILED as problem:
            logs.get().warning(
                "speech_not_heard", tenant=talk.gate.tenant, reason=f"{problem!r}"[:300]
            )
            talk.watcher.unheard()
            return
        talk.watcher.booked(made.receipt)
        if made.answer is None:
            talk.watcher.ear_refused(made.decision)
            return
        found = heard_of(made.answer)
        if found.text:
            self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, found.text, found.confidence)

    def _tell(self, kind: stt.SpeechEventType, text: str = "", confidence: float = 0.0) -> None:
        said = stt.SpeechData(
            language=LanguageCode(self._talk.spoken_language), text=text, confidence=confidence
        )
        self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[said] if text else []))
