"""
When somebody speaks, and when they have ended: by how loud it is, beside how loud it is anyway.

    for event in endpointer.take(pcm):
        Began()              somebody has begun
        Insists()            they go on: it is no cough, and nobody talks over them
        Spoken(pcm)          what they said; *is_last*: and they have ended

No model and nobody else is asked: what is heard here costs nothing, and only what was spoken is
sent to a vendor, a little before and after it included. Silence, which is billed too, is not. A
long speech is handed out in parts, at its pauses, so that each is held for by itself.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from operator import mul
from typing import Final, TypeAlias

import msgspec

SAMPLE_RATE: Final = 16_000
SAMPLE_BYTES: Final = 2
HOP_MS: Final = 20
# So much in a row is somebody, and less is a click.
BEGINS_MS: Final = 60
# The first sound of a word is soft: what was before it is part of it.
BEFORE_MS: Final = 200
# People pause between two sentences, and for longer when they wait for an answer.
ENDS_MS: Final = 600
AFTER_MS: Final = 200
# A door, a cough.
LOUD_MS_LEAST: Final = 120
INSISTS_MS: Final = 400
# A part is handed out at the next pause after this, and at the latest after that.
PART_MS, PART_MS_MAX = 15_000, 20_000
# Root mean square of samples of 16 bits; softer than this is nobody who talks to us.
LOUD_LEAST: Final = 250.0
# Speech is so much louder than the room.
ABOVE_NOISE: Final = 3.0
# The room is as loud as its softest moment, and may become louder: twice in about five seconds.
_NOISE_GROWS: Final = 1.003
_HOP_BYTES: Final = SAMPLE_RATE * HOP_MS // 1_000 * SAMPLE_BYTES


class Began(msgspec.Struct, frozen=True):
    """Somebody has begun to speak."""


class Insists(msgspec.Struct, frozen=True):
    """They have spoken for so long that they mean it. Once for each time that they begin."""


class Spoken(msgspec.Struct, frozen=True):
    """
    What was spoken, 16 kHz mono s16le; empty when it was too short to be anything.

    *is_last*: they have ended; else more of the same speech follows.
    """

    pcm: bytes
    is_last: bool


Heard: TypeAlias = Began | Insists | Spoken


class Endpointer:
    """One microphone; see the module."""

    def __init__(self) -> None:
        self._rest = b""
        self._noise = LOUD_LEAST / ABOVE_NOISE
        self._before: deque[bytes] = deque(maxlen=(BEFORE_MS + BEGINS_MS) // HOP_MS)
        self._kept = bytearray()
        self._loud_ms = 0
        self._loud_in_a_row_ms = 0
        self._quiet_ms = 0
        self._insists = False
        self.is_speaking = False

    def take(self, pcm: bytes) -> list[Heard]:
        """Hear some more; whole samples, of any number."""
        whole = self._rest + pcm
        until = len(whole) // _HOP_BYTES * _HOP_BYTES
        self._rest = whole[until:]
        heard: list[Heard] = []
        for at in range(0, until, _HOP_BYTES):
            heard += self._hop(whole[at : at + _HOP_BYTES])
        return heard

    def end(self) -> list[Heard]:
        """There is no more to hear: who was speaking has ended."""
        return [self._end()] if self.is_speaking else []

    def _hop(self, pcm: bytes) -> list[Heard]:
        is_loud = self._is_loud(pcm)
        self._loud_in_a_row_ms = self._loud_in_a_row_ms + HOP_MS if is_loud else 0
        if not self.is_speaking:
            self._before.append(pcm)
            return [self._begin()] if self._loud_in_a_row_ms >= BEGINS_MS else []
        self._kept += pcm
        self._quiet_ms = 0 if is_loud else self._quiet_ms + HOP_MS
        self._loud_ms += HOP_MS if is_loud else 0
        if self._quiet_ms >= ENDS_MS:
            return [self._end()]
        heard: list[Heard] = []
        if not self._insists and self._loud_ms >= INSISTS_MS:
            self._insists = True
            heard.append(Insists())
        length_ms = len(self._kept) // _HOP_BYTES * HOP_MS
        if length_ms >= PART_MS_MAX or (length_ms >= PART_MS and not is_loud):
            heard.append(Spoken(bytes(self._kept), is_last=False))
            self._kept.clear()
        return heard

    def _begin(self) -> Began:
        self.is_speaking, self._insists = True, False
        self._kept = bytearray(b"".join(self._before))
        self._before.clear()
        self._loud_ms, self._quiet_ms = self._loud_in_a_row_ms, 0
        return Began()

    def _end(self) -> Spoken:
        silent_ms = max(0, self._quiet_ms - AFTER_MS)
        kept = bytes(self._kept[: max(0, len(self._kept) - silent_ms // HOP_MS * _HOP_BYTES)])
        is_something = self._loud_ms >= LOUD_MS_LEAST
        self.is_speaking = False
        self._kept.clear()
        self._loud_in_a_row_ms = 0
        return Spoken(kept if is_something else b"", is_last=True)

    def _is_loud(self, pcm: bytes) -> bool:
        """Whether it stands out; the room is learnt on the way."""
        samples = array("h", pcm)
        loudness = math.sqrt(sum(map(mul, samples, samples)) / len(samples))
        self._noise = max(1.0, min(loudness, self._noise * _NOISE_GROWS))
        return loudness > max(LOUD_LEAST, ABOVE_NOISE * self._noise)
