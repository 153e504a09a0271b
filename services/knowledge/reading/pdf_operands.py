"""Operands of the content of a page of a PDF, as numbers, colours and text."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from pypdf.generic._font import Font

from services.knowledge.reading.colour import Colour
from services.knowledge.reading.pdf_paint import Box, Matrix, Pen

NUMBERS: Final = (int, float)
# ISO 32000-1, annex D.2, note 3: codes that an encoding does not use are bullets.
_UNUSED_CODES: Final = dict.fromkeys((0x7F, 0x81, 0x8D, 0x8F, 0x90, 0x9D), "•")


def matrix_of(operands: Any) -> Matrix:
    a, b, c, d, e, f = (float(one) for one in operands[:6])
    return a, b, c, d, e, f


def colour_of(operands: Any) -> Colour | None:
    """Colour of so many components: grey, red green blue, or cyan magenta yellow black."""
    if any(not isinstance(one, NUMBERS) for one in operands):
        return None
    values = [min(max(float(one), 0.0), 1.0) for one in operands]
    if len(values) == 1:
        return values[0], values[0], values[0]
    if len(values) == 3:  # noqa: PLR2004 - RGB
        return values[0], values[1], values[2]
    if len(values) == 4:  # noqa: PLR2004 - CMYK
        cyan, magenta, yellow, black = values
        return (1 - cyan) * (1 - black), (1 - magenta) * (1 - black), (1 - yellow) * (1 - black)
    return None


def page_box(page: Any) -> Box:
    box = page.cropbox
    left, bottom, right, top = (float(box[at]) for at in range(4))
    return min(left, right), min(bottom, top), max(left, right), max(bottom, top)


def gap_of(font: Font, pen: Pen) -> float:
    """From how far on a move between two letters is a blank."""
    return font.space_width / 1000 * abs(pen.size) * pen.scale * 0.5


def shown(font: Font, part: Any, pen: Pen) -> tuple[str, float]:
    """What a string says, and how far it goes."""
    if isinstance(part, str):
        # pypdf could not tell its encoding; it is said to be text.
        raw = codes = part
    elif isinstance(font.encoding, str):
        raw = codes = part.decode(font.encoding, "replace")
    else:
        raw = "".join(chr(byte) for byte in part)
        codes = "".join(font.encoding.get(byte, chr(byte)) for byte in part)
    text = "".join(font.character_map.get(one, one) for one in codes).translate(_UNUSED_CODES)
    width = sum(
        (font.space_width if one == font.space_char else font.get_text_width(one)) * times
        for one, times in Counter(raw).items()
    )
    far = width / 1000 * pen.size + len(raw) * pen.character_space
    return text, (far + raw.count(" ") * pen.word_space) * pen.scale
