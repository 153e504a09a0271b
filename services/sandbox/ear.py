"""
The sandbox's ear: hears what `services.sandbox.voice` says, in any voice, at any speed.

Every 4 ms it asks how loud each of the sixteen notes is in the 20 ms around (the sum of the sound
times a turning wave, a Fourier sum for sixteen frequencies only; Hann's window, in steps of 2 ms).
Where one lower and one upper note stand out there is a symbol; where nothing sounds, a word ends.
The loudness of the whole does not matter, nor does the sample rate from 8 kHz on.

What has no clear notes most of the time is no speech of ours, and nothing is heard: a person's
voice, music, noise. A real service would understand a person; this one does not pretend to.
"""

from __future__ import annotations

import cmath
import math
import sys
from array import array
from collections.abc import Iterator
from operator import mul
from typing import Final

import msgspec

from services.sandbox.formants import AGAIN, LOWER_HERTZ, SYMBOLS, UPPER_HERTZ

BLOCKS_PER_S: Final = 500
BLOCKS_PER_FRAME, BLOCKS_PER_HOP = 10, 2
_WINDOW: Final = tuple(
    math.sin(math.pi * (at + 0.5) / BLOCKS_PER_FRAME) ** 2 for at in range(BLOCKS_PER_FRAME)
)
# A note stands out when it is so much louder than the next one of its group.
STANDS_OUT: Final = 1.4
# And when both together are this part of all the power, of which a loud hum has most.
POWER_LEAST: Final = 0.05
# What is so much softer than the loudest letter is a pause.
SILENCE: Final = 0.12
FRAMES_PER_SYMBOL, FRAMES_PER_SPACE = 2, 3
# The voice's two notes are about equally loud; of a whistle one is all.
UNEQUAL_MOST: Final = 4.0
# Of what sounds, so much must be symbols. Noise has 0.01, the fastest speech 0.8.
CLEAR_LEAST: Final = 0.5
# Softer than a thousandth of what fits is silence.
FLOOR: Final = 33.0
_FAINT: Final = 1.0


class HeardWord(msgspec.Struct, frozen=True):
    """A word with its signs, in lower case. *clarity* is how much of its time was clear, 0 to 1."""

    text: str
    start_s: float
    end_s: float
    clarity: float


class _Frame(msgspec.Struct, frozen=True):
    """One moment. *place* is the symbol's, -1 for none."""

    loudness: float
    place: int


def hear(pcm: bytes, sample_rate: int) -> list[HeardWord]:
    """Return the words of *pcm*: signed 16-bit little-endian, one channel."""
    frames = list(_frames(_samples(pcm), sample_rate))
    clear = [frame for frame in frames if frame.place >= 0 and frame.loudness > FLOOR]
    if not clear:
        return []
    loudest = max(frame.loudness for frame in clear)
    words = _Words(max(FLOOR, SILENCE * loudest), _frames_per_s(sample_rate))
    for frame in frames:
        words.add(frame)
    return words.heard()


class _Words:
    """Puts frames together: symbols where the same is heard for a while, words between silences."""

    def __init__(self, silence: float, per_second: float) -> None:
        self._silence = silence
        self._per_second = per_second
        self._found: list[HeardWord] = []
        self._text = ""
        self._symbol = ""
        self._run_place, self._run = -1, 0
        self._quiet = 0
        self._at = 0
        self._began = self._ended = 0
        self._clear = self._sounding = self._clear_in_all = self._sounding_in_all = 0

    def add(self, frame: _Frame) -> None:
        """Hear the next frame."""
        self._at += 1
        if frame.loudness < self._silence:
            self._quiet += 1
            self._run_place, self._run = -1, 0
            if self._quiet == FRAMES_PER_SPACE:
                self._end_word()
            return
        self._quiet = 0
        self._sounding += 1
        self._run = self._run + 1 if frame.place == self._run_place else 1
        self._run_place = frame.place
        if frame.place >= 0 and self._run >= FRAMES_PER_SYMBOL:
            self._take(SYMBOLS[frame.place])

    def _take(self, symbol: str) -> None:
        self._clear += 1 if self._run > FRAMES_PER_SYMBOL else FRAMES_PER_SYMBOL
        if not self._text:
            self._began = self._at - FRAMES_PER_SYMBOL
        self._ended = self._at
        if symbol != self._symbol:
            self._symbol = symbol
            # The symbol before an `AGAIN` is the last letter of the text.
            self._text += self._text[-1:] if symbol == AGAIN else symbol

    def _end_word(self) -> None:
        self._clear_in_all += self._clear
        self._sounding_in_all += self._sounding
        if self._text:
            # The first frame is about what was before the sound.
            began, ended = (
                max(0, at - BLOCKS_PER_FRAME // BLOCKS_PER_HOP) / self._per_second
                for at in (self._began, self._ended)
            )
            self._found.append(HeardWord(self._text, began, ended, self._clear / self._sounding))
        self._text = self._symbol = ""
        self._clear = self._sounding = 0

    def heard(self) -> list[HeardWord]:
        """All words, when there is no more to hear; none if it was no speech."""
        self._end_word()
        if self._clear_in_all < CLEAR_LEAST * self._sounding_in_all:
            return []
        return self._found


def _frames_per_s(sample_rate: int) -> float:
    return sample_rate / (sample_rate // BLOCKS_PER_S * BLOCKS_PER_HOP)


def _samples(pcm: bytes) -> list[float]:
    whole = array("h", pcm[: len(pcm) // 2 * 2])
    if sys.byteorder == "big":
        whole.byteswap()
    return [float(sample) for sample in whole]


def _frames(samples: list[float], sample_rate: int) -> Iterator[_Frame]:
    """Yield the frames; before and after the sound there is silence."""
    size = sample_rate // BLOCKS_PER_S
    around = [0.0] * (size * BLOCKS_PER_FRAME)
    padded = [*around, *samples, *around]
    blocks = [padded[at : at + size] for at in range(0, len(padded) - size + 1, size)]
    power = [sum(map(mul, block, block)) / size for block in blocks]
    # Where nothing sounds no note does.
    loud = [
        block if square >= _FAINT else None for block, square in zip(blocks, power, strict=True)
    ]
    lower = [_turned(loud, size, hertz, sample_rate) for hertz in LOWER_HERTZ]
    upper = [_turned(loud, size, hertz, sample_rate) for hertz in UPPER_HERTZ]
    scale = sum(_WINDOW)
    for at in range(0, len(blocks) - BLOCKS_PER_FRAME + 1, BLOCKS_PER_HOP):
        until = at + BLOCKS_PER_FRAME
        square = sum(map(mul, _WINDOW, power[at:until])) / scale
        if square < _FAINT:
            yield _Frame(0.0, -1)
            continue
        lows = [abs(sum(map(mul, _WINDOW, note[at:until]))) / scale for note in lower]
        highs = [abs(sum(map(mul, _WINDOW, note[at:until]))) / scale for note in upper]
        yield _frame(square, lows, highs)


def _frame(square: float, lows: list[float], highs: list[float]) -> _Frame:
    low, high = max(lows), max(highs)
    weaker, stronger = min(low, high), max(low, high)
    is_clear = (
        low > STANDS_OUT * sorted(lows)[-2]
        and high > STANDS_OUT * sorted(highs)[-2]
        and stronger < UNEQUAL_MOST * weaker
        and (low**2 + high**2) / 2 > POWER_LEAST * square
    )
    place = lows.index(low) * len(highs) + highs.index(high) if is_clear else -1
    return _Frame(math.sqrt(square), place)


def _turned(
    blocks: list[list[float] | None], size: int, hertz: float, sample_rate: int
) -> list[complex]:
    """The Fourier sum of every block at *hertz*, as the amplitude and phase of that note."""
    step = 2 * math.pi * hertz / sample_rate
    cosine = [2 / size * math.cos(step * at) for at in range(size)]
    sine = [-2 / size * math.sin(step * at) for at in range(size)]
    return [
        cmath.rect(1.0, -step * size * number)
        * complex(sum(map(mul, block, cosine)), sum(map(mul, block, sine)))
        if block
        else 0j
        for number, block in enumerate(blocks)
    ]
