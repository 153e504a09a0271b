"""
Speech: text in, audio out.

    SpeechRequest  what to say, in which voice and language
    AudioPiece     some more audio: signed 16-bit little-endian PCM, one channel
    WordTimes      when words of it are spoken
    Spoken         all of it was spoken; always the last piece

The text is there at once, or it comes while it is written (an async iterable of parts, which are
joined without anything between them; `FLUSH` among them has everything so far spoken now). Then
*characters_max* bounds it, because the gate holds money for the whole before the first word.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.vendors.adapter import Way, simple_way
from services.vendors.pieces import PiecesAdapter

REQUEST = "speech"
BYTES_PER_SAMPLE = 2
_MS = 1_000
# Slow speech has 8 characters a second; a number or a sign is a whole word to say.
MOST_MS_PER_LETTER, MOST_MS_PER_SIGN = 125, 800
# What is not written yet may have numbers and signs among its letters.
MOST_MS_PER_UNWRITTEN = 250
# A breath before and after.
MOST_MS_AROUND = 1_500
ABOUT_MS_PER_LETTER, ABOUT_MS_PER_SIGN, ABOUT_MS_AROUND = 90, 300, 200


class Flush:
    """Say everything so far now, without waiting for more. There is one: `FLUSH`."""


FLUSH: Final = Flush()
Parts: TypeAlias = AsyncIterable[str | Flush]


class SpeechRequest(msgspec.Struct, frozen=True):
    """
    What to say. *language* is a BCP 47 tag, *speed* 1.0 the voice's own.

    *characters_max* is needed when the text comes in parts, and is the text's length otherwise.
    """

    text: str | Parts
    voice: str
    language: str
    speed: float = 1.0
    sample_rate: int = 24_000
    word_times: bool = False
    characters_max: int = 0


class AudioPiece(msgspec.Struct, frozen=True):
    """Some more audio."""

    pcm: bytes
    sample_rate: int


class Word(msgspec.Struct, frozen=True):
    """A word and when it is spoken, from the beginning of the utterance."""

    text: str
    start_ms: int
    end_ms: int


class WordTimes(msgspec.Struct, frozen=True):
    """When some more words are spoken. Their audio may have come before or may come after."""

    words: tuple[Word, ...]


class Spoken(msgspec.Struct, frozen=True):
    """All of it was spoken, and this is what it costs."""

    usage: Usage


SpeechPiece: TypeAlias = AudioPiece | WordTimes | Spoken


class Speech(PiecesAdapter):
    """A vendor that speaks. See `PiecesAdapter` for what its pieces raise."""

    @abstractmethod
    def pieces(
        self, grant: Grant, request: Mapping[str, Any]
    ) -> AsyncGenerator[SpeechPiece, None]: ...

    def way(self, sku: str, request: SpeechRequest) -> Way:
        """Make the way to have *request* spoken by *sku*. Raises ValueError: nothing bounds it."""
        return simple_way("voice", self.provider_id, sku, most(request), **{REQUEST: request})


def most(request: SpeechRequest) -> Usage:
    """An upper bound of what saying it takes; raises ValueError for parts without a bound."""
    if isinstance(request.text, str):
        return Usage(characters=len(request.text), stream_ms=_most_ms(request))
    if request.characters_max <= 0:
        raise ValueError("characters_max: text that comes in parts needs a bound of at least 1")
    return Usage(characters=request.characters_max, stream_ms=_most_ms(request))


def _most_ms(request: SpeechRequest) -> int:
    if isinstance(request.text, str):
        spoken_ms = _lasting(request.text, MOST_MS_PER_LETTER, MOST_MS_PER_SIGN)
    else:
        spoken_ms = request.characters_max * MOST_MS_PER_UNWRITTEN
    return MOST_MS_AROUND + int(spoken_ms / min(1.0, request.speed))


def about_ms(text: str, speed: float) -> int:
    """About how long *text* sounds, rather more than less: for speech that was left early."""
    return ABOUT_MS_AROUND + int(_lasting(text, ABOUT_MS_PER_LETTER, ABOUT_MS_PER_SIGN) / speed)


def _lasting(text: str, letter_ms: int, sign_ms: int) -> int:
    letters = sum(one.isalpha() or one.isspace() for one in text)
    return letters * letter_ms + (len(text) - letters) * sign_ms


def audio_ms(pcm_bytes: int, sample_rate: int) -> int:
    """How long so many bytes sound, rounded up to a millisecond."""
    return -(-pcm_bytes * _MS // (BYTES_PER_SAMPLE * sample_rate))


def speech_of(request: Mapping[str, Any]) -> SpeechRequest:
    """Return the speech request in a way's request; raises TypeError if there is none."""
    speech = request.get(REQUEST)
    if not isinstance(speech, SpeechRequest):
        raise TypeError("make the way with Speech.way")
    return speech
