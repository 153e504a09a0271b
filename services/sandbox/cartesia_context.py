"""A context of the sandbox's Cartesia: transcripts in, frames out, in order."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

import msgspec

from contracts.usage import Usage
from services.sandbox.exchange import Exchange
from services.sandbox.voice import BYTES_PER_SAMPLE, say

PIECE_MS: Final = 100
TRANSCRIPTS_WAITING_MAX: Final = 10_000
TRANSCRIPT_MAX: Final = 100_000
LANGUAGES: Final = frozenset(["en", "es", "pt", "fr", "de", "it", "nl", "pl", "ja", "ko", "zh"])
SAMPLE_RATES: Final = frozenset([8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
_is_name = re.compile("[A-Za-z0-9_-]{1,128}").fullmatch
# A word with what follows it, up to the next one.
_word = re.compile(r"\S+\s*|\s+")


class OutputFormat(msgspec.Struct):
    """How the audio is wanted."""

    container: str = "raw"
    encoding: str = "pcm_s16le"
    sample_rate: int = 44_100


class GenerationConfig(msgspec.Struct):
    """How to speak."""

    speed: float = 1.0


class Wanted(msgspec.Struct):
    """What is read of a message. *voice* is an id, or an object with one."""

    context_id: str = ""
    model_id: str = ""
    transcript: str = ""
    voice: str | dict[str, Any] = ""
    language: str = "en"
    output_format: OutputFormat = msgspec.field(default_factory=OutputFormat)
    generation_config: GenerationConfig = msgspec.field(default_factory=GenerationConfig)
    goes_on: bool = msgspec.field(default=False, name="continue")
    flush: bool = False
    cancel: bool = False
    add_timestamps: bool = False

    @property
    def voice_id(self) -> str:
        return self.voice if isinstance(self.voice, str) else str(self.voice.get("id", ""))

    @property
    def speed(self) -> float:
        return max(0.6, min(1.5, self.generation_config.speed))

    def wrong(self) -> tuple[int, str] | None:
        """The status and message of what is wrong with it, if anything is."""
        form = self.output_format
        if self.context_id and not _is_name(self.context_id):
            return 400, "context_id may have letters, digits, _ and -"
        if not self.model_id.startswith("sonic"):
            return 404, f"no model {self.model_id!r}"
        if not self.voice_id:
            return 400, "voice is required"
        if self.language not in LANGUAGES:
            return 400, f"language {self.language!r} is not supported"
        if form.encoding != "pcm_s16le" or form.sample_rate not in SAMPLE_RATES:
            return 400, "output_format: pcm_s16le at a supported sample_rate"
        if len(self.transcript) > TRANSCRIPT_MAX:
            return 400, f"transcript: at most {TRANSCRIPT_MAX} characters"
        return None


class SpeakingError(Exception):
    """A fault ends the context in the middle of its audio with an error of *status*."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Context:
    """One utterance. The first message says how to speak all of it."""

    def __init__(self, wanted: Wanted) -> None:
        self.name = wanted.context_id
        self.is_over = False
        self._wanted = wanted
        self._waiting: asyncio.Queue[Wanted] = asyncio.Queue(TRANSCRIPTS_WAITING_MAX)
        self._is_cancelled = False
        self._rest = ""
        self._characters = 0
        self._samples = 0
        self._flushes = 0

    def add(self, wanted: Wanted) -> None:
        """Have one more transcript spoken; what is too much is not listened to."""
        if not self._waiting.full():
            self._waiting.put_nowait(wanted)

    def cancel(self) -> None:
        """Drop what was not begun, and end when what was begun is spoken."""
        self._is_cancelled = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self.add(self._wanted)

    async def frames(self, exchange: Exchange) -> AsyncGenerator[dict[str, Any], None]:
        """
        Yield the frames of the utterance, and keep the bill of *exchange*.

        Raises ConnectionCut, SpeakingError: a fault struck.
        """
        while True:
            wanted = await self._waiting.get()
            if self._is_cancelled:
                break
            self._characters += len(wanted.transcript)
            self._bill(exchange)
            said = self._speakable(wanted)
            for pcm in self._pieces(said):
                if _errs_now(exchange):
                    raise SpeakingError(exchange.fault.status if exchange.fault else 500)
                await exchange.chunk()
                self._samples += len(pcm) // BYTES_PER_SAMPLE
                self._bill(exchange)
                yield self._frame("chunk", 206, data=b64encode(pcm).decode(), step_time=0.0)
            if self._wanted.add_timestamps and said.strip():
                yield self._frame("timestamps", 206, word_timestamps=self._times(said))
            if wanted.flush:
                self._flushes += 1
                yield self._frame("flush_done", 206, flush_done=True, flush_id=self._flushes)
            if not wanted.goes_on:
                break
        yield self._frame("done", 200)

    def _speakable(self, wanted: Wanted) -> str:
        """Whole words only: the last one may go on in the next transcript."""
        text = self._rest + wanted.transcript
        if wanted.flush or not wanted.goes_on:
            self._rest = ""
            return text
        words = _word.findall(text)
        self._rest = words.pop() if words and not words[-1][-1].isspace() else ""
        return "".join(words)

    def _pieces(self, text: str) -> Iterator[bytes]:
        pcm = self._pcm(text)
        step = BYTES_PER_SAMPLE * self._wanted.output_format.sample_rate * PIECE_MS // 1_000
        for at in range(0, len(pcm), step):
            yield pcm[at : at + step]

    def _pcm(self, text: str) -> bytes:
        wanted = self._wanted
        return say(text, wanted.voice_id, wanted.output_format.sample_rate, wanted.speed)

    def _times(self, said: str) -> dict[str, list[Any]]:
        """When the words of *said* were spoken, which was just now."""
        per_second = BYTES_PER_SAMPLE * self._wanted.output_format.sample_rate
        at = self._samples / self._wanted.output_format.sample_rate
        at -= len(self._pcm(said)) / per_second
        words, start, end = [], [], []
        for word in _word.findall(said):
            sounds = len(self._pcm(word.rstrip())) / per_second
            if word.strip():
                words.append(word.strip())
                start.append(round(at, 4))
                end.append(round(at + sounds, 4))
            at += len(self._pcm(word)) / per_second
        return {"words": words, "start": start, "end": end}

    def _bill(self, exchange: Exchange) -> None:
        rate = self._wanted.output_format.sample_rate
        stream_ms = -(-self._samples * 1_000 // rate)
        exchange.bill(Usage(characters=self._characters, stream_ms=stream_ms), self.name)

    def _frame(self, kind: str, status: int, **fields: Any) -> dict[str, Any]:
        head = {"type": kind, "done": kind == "done", "status_code": status}
        return {**head, "context_id": self.name, **fields}


def _errs_now(exchange: Exchange) -> bool:
    fault = exchange.fault
    if fault is None or fault.kind != "error_in_stream":
        return False
    return exchange.chunks == (fault.after_chunks or 0)
