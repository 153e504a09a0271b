"""
The sandbox's voice: a hum with two notes for each letter, so that one hears that something is said,
and `services.sandbox.ear` hears what.

Signed 16-bit little-endian PCM, one channel. The hum is the voice's own: every voice id has a
pitch, vowels hum loudly on a step of their own, everything else softly. The notes (see `formants`)
are what is said, the same in every voice. Signs ring for as long as one pauses at them, spaces are
silence. A letter takes about as long as it does in speech, so a sentence lasts as long as it
should. The same text in the same voice is always the same sound.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from functools import lru_cache
from typing import Final
from zlib import crc32

from services.sandbox.formants import AGAIN, DIGITS, LETTERS, notes_of, symbol_of

BYTES_PER_SAMPLE: Final = 2
# How loud a hum is, and how loud the notes are on every letter alike.
LOUD, QUIET, LOWER_NOTE, UPPER_NOTE = 7_000, 1_500, 2_200, 1_600
PITCH_LOWEST, PITCH_SPAN = 110, 110
# How many steps of a scale of twelve a vowel is above the voice's pitch.
_VOWELS: Final = {"a": 0, "e": 4, "i": 7, "o": 2, "u": -3}
_PAUSE_MS: Final = {",": 150, ";": 180, ":": 180, ".": 300, "!": 300, "?": 300, "…": 300}
VOWEL_MS, CONSONANT_MS, NUMBER_MS, SIGN_MS, SPACE_MS = 85, 50, 280, 100, 60
FADE_MS: Final = 5


def pitch_of(voice: str) -> int:
    """The pitch of a voice, in Hertz."""
    return PITCH_LOWEST + crc32(voice.encode()) % PITCH_SPAN


def say(text: str, voice: str, sample_rate: int, speed: float = 1.0) -> bytes:
    """Return the sound of *text*."""
    pitch = pitch_of(voice)
    sounds = []
    before = ""
    for letter in unicodedata.normalize("NFC", text):
        if letter.isspace():
            before = ""
            sounds.append(_silence(SPACE_MS / speed, sample_rate))
        elif unicodedata.category(letter)[0] not in "MC":
            symbol = symbol_of(letter)
            said = AGAIN if symbol and symbol == before else symbol
            sounds.append(_sound(symbol, said, pitch, sample_rate, speed))
            # After an `AGAIN` the letter itself sounds different again.
            before = (said if said != AGAIN else "") if symbol else before
    return b"".join(sounds)


@lru_cache(maxsize=4_096)
def _sound(symbol: str, said: str, pitch: int, sample_rate: int, speed: float) -> bytes:
    """The sound of *symbol*, with the notes of *said*; of no symbol a hum without notes."""
    plain = unicodedata.normalize("NFD", symbol)[:1]
    if not symbol:
        hum, for_ms, loud = float(pitch), SIGN_MS, QUIET
    elif plain in _VOWELS:
        hum, for_ms, loud = pitch * 2 ** (_VOWELS[plain] / 12), VOWEL_MS, LOUD
    elif symbol in LETTERS:
        hum, for_ms, loud = pitch * 3 / 4, CONSONANT_MS, QUIET
    elif symbol in DIGITS:
        hum, for_ms, loud = float(pitch), NUMBER_MS, LOUD
    else:
        hum, for_ms, loud = float(pitch), _PAUSE_MS.get(symbol, SIGN_MS), QUIET
    waves = [(hum, loud)]
    if said:
        waves += zip(notes_of(said), (LOWER_NOTE, UPPER_NOTE), strict=True)
    return _chord(waves, int(for_ms / speed * sample_rate / 1_000), sample_rate)


def _chord(waves: list[tuple[float, int]], samples: int, sample_rate: int) -> bytes:
    fade = max(1, FADE_MS * sample_rate // 1_000)
    steps = [(2 * math.pi * hertz / sample_rate, loud) for hertz, loud in waves]
    # Without fading in and out every letter would click.
    return array(
        "h",
        (
            int(
                min(1.0, at / fade, (samples - at) / fade)
                * sum(loud * math.sin(step * at) for step, loud in steps)
            )
            for at in range(samples)
        ),
    ).tobytes()


def _silence(for_ms: float, sample_rate: int) -> bytes:
    return bytes(BYTES_PER_SAMPLE * int(for_ms * sample_rate / 1_000))
