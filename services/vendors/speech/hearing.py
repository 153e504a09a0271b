"""
Hearing: audio in, text out.

    HearingRequest  what was said: signed 16-bit little-endian PCM, one channel, all of it
    Heard           the text, which is empty when nothing was understood

How long the audio is is known before it is sent, so that is what is held for; vendors bill the time
of the audio, silence and noise as well. An adapter subclasses `Hearing`; callers make their way
with `way`, go through `metered_call`, and read the answer with `heard_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contracts.usage import Usage
from services.vendors.adapter import Answer, VendorAdapter, Way, simple_way
from services.vendors.speech.speaking import BYTES_PER_SAMPLE, audio_ms

REQUEST, HEARD = "hearing", "heard"
# Longer than anybody speaks in one turn; 3.84 MB at 16 kHz.
AUDIO_MS_MAX: Final = 120_000
SAMPLE_RATES: Final = range(8_000, 48_001)


class HearingRequest(msgspec.Struct, frozen=True):
    """
    What was said. *language* is a BCP 47 tag, that of who speaks.

    At least one sample, at most `AUDIO_MS_MAX` of them, at 8 to 48 kHz.
    """

    pcm: bytes
    language: str
    sample_rate: int = 16_000

    @property
    def audio_ms(self) -> int:
        """How long it sounds, rounded up to a millisecond."""
        return audio_ms(len(self.pcm), self.sample_rate)


class Heard(msgspec.Struct, frozen=True):
    """
    What was understood. *confidence* is the vendor's own, 0 to 1.

    *is_reported* is false when the vendor did not say how long the audio was, and our own count is
    what is booked.
    """

    text: str
    confidence: float
    is_reported: bool


class Hearing(VendorAdapter):
    """A vendor that hears. See `VendorAdapter` for what its calls raise."""

    def way(self, sku: str, request: HearingRequest) -> Way:
        """Make the way to have *request* heard by *sku*. Raises ValueError: no such audio."""
        if request.sample_rate not in SAMPLE_RATES:
            raise ValueError("sample_rate: 8000 to 48000 Hz; resample the audio")
        if not request.pcm or len(request.pcm) % BYTES_PER_SAMPLE:
            raise ValueError("pcm: whole samples of 16 bits, at least one")
        if request.audio_ms > AUDIO_MS_MAX:
            raise ValueError(f"pcm: at most {AUDIO_MS_MAX} ms; send it in parts")
        bound = Usage(stream_ms=request.audio_ms)
        return simple_way("voice", self.provider_id, sku, bound, **{REQUEST: request})


def hearing_of(request: Mapping[str, Any]) -> HearingRequest:
    """Return the hearing request in a way's request; raises TypeError if there is none."""
    hearing = request.get(REQUEST)
    if not isinstance(hearing, HearingRequest):
        raise TypeError("make the way with Hearing.way")
    return hearing


def heard_of(answer: Answer) -> Heard:
    """Return what was heard; raises TypeError if the answer is of another kind of vendor."""
    heard = answer.body.get(HEARD)
    if not isinstance(heard, Heard):
        raise TypeError("the answer is not of a Hearing")
    return heard
