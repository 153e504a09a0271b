"""
What is spoken to a twin: collected while it is spoken, understood when it is a turn.

    hearing.take(speech, pcm)                     a piece of utterance number *speech*
    text = await hearing.understand(turn, speech) all of it as text; empty: nothing was understood

Understanding is a vendor call like any other: a grant of the session, held for the length of the
audio, settled once. A twin that may not listen any more (the quota of its voice is used up) can
still read, so such a refusal says that; only a session that is over ends the conversation.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import Final

import msgspec

from contracts.replies import Decision
from contracts.stream import AUDIO_HZ, SAMPLE_BYTES
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify
from services.live.endings import OVER
from services.live.failures import CALL_FAILED
from services.live.problems import NOT_HEARD, SPEECH_LOST, SPEECH_UNKNOWN, of_gate, unverified
from services.live.throttling import Emit, announce
from services.live.turn import Stopped
from services.query_api.problems import HttpProblem
from services.vendors.adapter import Vendors
from services.vendors.metered import metered_call
from services.vendors.speech.hearing import Hearing, HearingRequest, heard_of

# Of utterances that wait to be answered, all together; the gateway bounds each one and their turns.
KEPT_S_MAX: Final = 120
UTTERANCES_MAX: Final = 32
DELAY_MS_MAX: Final = 2_000
_KEPT_BYTES_MAX: Final = KEPT_S_MAX * AUDIO_HZ * SAMPLE_BYTES


class Ear(msgspec.Struct, frozen=True, kw_only=True):
    """How a twin listens: with whose product, and for which language (a BCP 47 tag)."""

    hearing: Hearing
    sku: str
    language: str


class Utterances:
    """What was spoken and is not understood yet. What does not fit any more is lost as a whole."""

    def __init__(self) -> None:
        # None: lost.
        self._kept: OrderedDict[int, bytearray | None] = OrderedDict()
        self._bytes = 0

    def take(self, speech: int, pcm: bytes) -> None:
        """Keep one more piece of utterance number *speech*; the numbers only grow."""
        if speech not in self._kept:
            self._kept[speech] = bytearray()
            while len(self._kept) > UTTERANCES_MAX:
                self._forget(next(iter(self._kept)))
        kept = self._kept[speech]
        if kept is None:
            return
        if self._bytes + len(pcm) > _KEPT_BYTES_MAX:
            self._bytes -= len(kept)
            self._kept[speech] = None
            return
        kept += pcm
        self._bytes += len(pcm)

    def whole(self, speech: int) -> bytes:
        """Hand out all of an utterance, once, and forget those before it; empty when it is lost."""
        found = self._kept.get(speech)
        for earlier in [number for number in self._kept if number <= speech]:
            self._forget(earlier)
        return bytes(found[: len(found) // SAMPLE_BYTES * SAMPLE_BYTES]) if found else b""

    def interrupted(self) -> None:
        """Forget what waited to be answered; somebody may be speaking the last one right now."""
        for earlier in list(self._kept)[:-1]:
            self._forget(earlier)

    def _forget(self, speech: int) -> None:
        self._bytes -= len(self._kept.pop(speech) or b"")


class Listening:
    """
    The ear of one conversation. *ear* None: the twin only reads. *emit* is told of throttling.
    """

    def __init__(
        self, gate: GateClient, vendors: Vendors, ear: Ear | None, session_id: str, emit: Emit
    ) -> None:
        self._gate = gate
        self._vendors = vendors
        self._ear = ear
        self._session_id = session_id
        self._emit = emit
        self._utterances = Utterances()

    @property
    def has_ear(self) -> bool:
        """Whether anything can be understood at all."""
        return self._ear is not None

    def take(self, speech: int, pcm: bytes) -> None:
        """Keep a piece of what is spoken, 16 kHz mono s16le, if it can be understood at all."""
        if self._ear is not None:
            self._utterances.take(speech, pcm)

    def interrupted(self) -> None:
        """Forget what waited to be answered."""
        self._utterances.interrupted()

    async def understand(self, turn: str, speech: int) -> str:
        """
        Return what was said, for the turn *turn*; empty when nothing was understood.

        Raises:
            HttpProblem: it cannot be understood; the remedy says that one may write.
            Stopped: the gate has ended the session.
        """
        if self._ear is None:
            raise HttpProblem(SPEECH_UNKNOWN, "Nothing in its price book understands speech.")
        pcm = self._utterances.whole(speech)
        if not pcm:
            raise HttpProblem(SPEECH_LOST, f"Utterance {speech} was not kept.")
        request = HearingRequest(pcm, self._ear.language, AUDIO_HZ)
        try:
            return await self._heard(self._ear, turn, request)
        except CannotVerify as unknown:
            raise unverified(unknown) from None
        except CALL_FAILED as problem:
            logs.get().warning(
                "speech_not_heard", tenant=self._gate.tenant, reason=f"{problem!r}"[:300]
            )
            raise HttpProblem(NOT_HEARD, "The vendor did not answer.") from None

    async def _heard(self, ear: Ear, turn: str, request: HearingRequest) -> str:
        async def decided(decision: Decision) -> None:
            await announce(self._emit, turn, decision)

        made = await metered_call(
            self._gate,
            self._vendors,
            ear.hearing.way(ear.sku, request),
            session_id=self._session_id,
            max_delay_ms=DELAY_MS_MAX,
            decided=decided,
        )
        if made.answer is None:
            raise _refused(made.decision)
        return heard_of(made.answer).text


def _refused(decision: Decision) -> HttpProblem | Stopped:
    """Say why the gate does not let the twin listen, and that it still reads."""
    if decision.code in OVER:
        return Stopped(decision)
    problem = of_gate(decision)
    remedy = f"Ask in writing. {problem.kind.remedy[:1].upper()}{problem.kind.remedy[1:]}"
    problem.kind = dataclasses.replace(problem.kind, remedy=remedy)
    return problem
