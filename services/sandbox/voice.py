"""
The sandbox's voice: a tone for each letter, so that one hears that something is said, and what.

Signed 16-bit little-endian PCM, one channel. Vowels are clear tones, consonants low and short,
spaces and full stops are silence; every voice id has a pitch of its own. A letter takes about as
long as it does in speech, so a sentence lasts as long as it should. The same text in the same voice
is always the same sound.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from functools import lru_cache
from typing import Final
from zlib import crc32

BYTES_PER_SAMPLE: Final = 2
LOUD, QUIET = 9_000, 3_500
PITCH_LOWEST, PITCH_SPAN = 110, 110
# How many steps of a scale of twelve a vowel is above the voice's pitch.
_VOWELS: Final = {"a": 0, "e": 4, "i": 7, "o": 2, "u": -3}
_SILENT_MS: Final = {" ": 40, ",": 150, ";": 180, ":": 180, ".": 300, "!": 300, "?": 300, "…": 350}
VOWEL_MS, CONSONANT_MS, NUMBER_MS, SIGN_MS, UNSAID_MS = 85, 50, 280, 200, 20
FADE_MS: Final = 5


def pitch_of(voice: str) -> int:
    """The pitch of a voice, in Hertz."""
    return PITCH_LOWEST + crc32(voice.encode()) % PITCH_SPAN


def say(text: str, voice: str, sample_rate: int, speed: float = 1.0) -> bytes:
    """Return the sound of *text*."""
    pitch = pitch_of(voice)
    return b"".join(_sound(letter, pitch, sample_rate, speed) for letter in text)


@lru_cache(maxsize=4_096)
def _sound(letter: str, pitch: int, sample_rate: int, speed: float) -> bytes:
    plain = unicodedata.normalize("NFD", letter.casefold())[:1]
    if plain in _VOWELS:
        return _tone(pitch * 2 ** (_VOWELS[plain] / 12), VOWEL_MS / speed, LOUD, sample_rate)
    if plain.isalpha():
        hertz = pitch / 2 + ord(plain) % 26 * 3
        return _tone(hertz, CONSONANT_MS / speed, QUIET, sample_rate)
    if plain.isdigit():
        return _tone(pitch + int(plain) * 12, NUMBER_MS / speed, LOUD, sample_rate)
    if letter in _SILENT_MS or letter.isspace():
        return _silence(_SILENT_MS.get(letter, UNSAID_MS) / speed, sample_rate)
    if unicodedata.category(letter)[0] == "S":
        return _tone(pitch * 1.5, SIGN_MS / speed, QUIET, sample_rate)
    return _silence(UNSAID_MS / speed, sample_rate)


def _tone(hertz: float, for_ms: float, loud: int, sample_rate: int) -> bytes:
    samples = int(for_ms * sample_rate / 1_000)
    fade = max(1, FADE_MS * sample_rate // 1_000)
    step = 2 * math.pi * hertz / sample_rate
    # Without fading in and out every letter would click.
    return array(
        "h",
        (
            int(loud * min(1.0, at / fade, (samples - at) / fade) * math.sin(step * at))
            for at in range(samples)
        ),
    ).tobytes()


def _silence(for_ms: float, sample_rate: int) -> bytes:
    return bytes(BYTES_PER_SAMPLE * int(for_ms * sample_rate / 1_000))
