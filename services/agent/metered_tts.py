"""
The voice of a twin: each sentence is a call of its own, with a grant of its own.

A sentence that the gate refuses is not spoken, and neither is what follows; one that the vendor
fails is left out, because it is written all the same. It never raises what the library would count
as an error: when nothing was spoken at all it says "closed by the client" (499), which is none.
"""

from __future__ import annotations

from typing import Any, Final

from livekit.agents import APIStatusError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions

from domain import topics
from services import logs
from services.agent.metered_llm import ONE_ATTEMPT
from services.agent.talk import Talk
from services.live.failures import CALL_FAILED
from services.live.sentences import Sentences
from services.vendors.metered_pieces import metered_pieces
from services.vendors.speech.speaking import AudioPiece, Speech, SpeechRequest

SAMPLE_RATE: Final = 24_000
CLIENT_CLOSED: Final = 499


class MeteredTTS(tts.TTS[Any]):
    """The voice of *talk*'s twin; there must be one among its products."""

    def __init__(self, talk: Talk) -> None:
        assert talk.products.voice is not None, "a twin with a voice has a product for it"
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
        )
        self._talk = talk
        self._speech: Speech = talk.products.voice

    @property
    def model(self) -> str:
        """The product, as the price book calls it."""
        return self._talk.products.voice_sku

    @property
    def provider(self) -> str:
        """The vendor."""
        return self._speech.provider_id

    def prewarm(self) -> None:
        """Do nothing: a vendor is not asked before somebody has authorised it."""

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak a text that is there at once."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self,
        *,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,  # noqa: ARG002
    ) -> tts.SynthesizeStream:
        """Speak a text while it is written."""
        return MeteredSpeech(self, self._talk, self._speech)


class MeteredSpeech(tts.SynthesizeStream):
    """One text, spoken sentence by sentence."""

    def __init__(self, voice: MeteredTTS, talk: Talk, speech: Speech) -> None:
        self._talk = talk
        self._speech = speech
        super().__init__(tts=voice, conn_options=ONE_ATTEMPT)

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid("twin_"),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid("said_"))
        sentences = Sentences()
        is_spoken = False
        async for part in self._input_ch:
            found = sentences.add(part) if isinstance(part, str) else [sentences.rest()]
            for sentence in found:
                is_spoken |= await self._say(sentence.strip(), output_emitter)
        is_spoken |= await self._say(sentences.rest().strip(), output_emitter)
        if not is_spoken:
            raise APIStatusError("nothing was spoken", status_code=CLIENT_CLOSED, retryable=False)
        output_emitter.end_segment()

    async def _say(self, sentence: str, output_emitter: tts.AudioEmitter) -> bool:
        """Speak a sentence; whether any of it was heard."""
        talk = self._talk
        # The model's own words were searched already; what others have it say was not.
        if not sentence or talk.is_silent or topics.check(talk.topics, sentence):
            return False
        request = SpeechRequest(sentence, talk.voice, talk.spoken_language, sample_rate=SAMPLE_RATE)
        way = self._speech.way(talk.products.voice_sku, request)
        call = metered_pieces(talk.gate, talk.vendors, way, session_id=talk.session_id)
        is_heard = False
        try:
            async with call:
                if not call.granted:
                    talk.watcher.voice_refused(call.decision)
                    return False
                talk.watcher.voice_granted()
                self._mark_started()
                async for piece in call:
                    if isinstance(piece, AudioPiece) and piece.pcm:
                        is_heard = True
                        output_emitter.push(piece.pcm)
        except CALL_FAILED as problem:
            logs.get().warning(
                "sentence_not_said", tenant=talk.gate.tenant, reason=type(problem).__name__
            )
        finally:
            talk.watcher.booked(call.receipt)
        return is_heard
