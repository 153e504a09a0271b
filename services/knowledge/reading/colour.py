"""Colours, as far as it takes to say whether text can be told from what it stands on."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

# Red, green and blue from 0 to 1.
Colour: TypeAlias = tuple[float, float, float]

BLACK: Final[Colour] = (0.0, 0.0, 0.0)
WHITE: Final[Colour] = (1.0, 1.0, 1.0)
# WCAG asks for 4.5; the palest grey that anybody uses on white for text has about 1.3.
CONTRAST_MIN: Final = 1.15
_NAMES: Final[dict[str, Colour]] = {
    "white": WHITE,
    "black": BLACK,
    "snow": (1.0, 0.98, 0.98),
    "ivory": (1.0, 1.0, 0.94),
    "whitesmoke": (0.96, 0.96, 0.96),
    "ghostwhite": (0.97, 0.97, 1.0),
    "floralwhite": (1.0, 0.98, 0.94),
    "silver": (0.75, 0.75, 0.75),
    "gray": (0.5, 0.5, 0.5),
    "grey": (0.5, 0.5, 0.5),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 0.5, 0.0),
    "lime": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "navy": (0.0, 0.0, 0.5),
}
_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\b")
_FUNCTION: Final = re.compile(r"rgba?\(([^()]{1,80})\)")


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio of WCAG 2.2: 1 is none, 21 is black on white."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def is_unseen(text: Colour, behind: Colour) -> bool:
    """Whether text of this colour cannot be told from what is behind it."""
    # Luminance alone calls red on a certain green the same.
    distance = max(abs(a - b) for a, b in zip(text, behind, strict=True))
    return distance < 0.2 and contrast(text, behind) < CONTRAST_MIN  # noqa: PLR2004 - of 1


def css_colour(said: str) -> tuple[Colour, float] | None:
    """Return a colour of CSS and its opacity; None where it is none that is known here."""
    said = said.strip().lower()
    if said == "transparent":
        return BLACK, 0.0
    if said in _NAMES:
        return _NAMES[said], 1.0
    if found := _HEX.fullmatch(said):
        return _of_hex(found[1])
    if found := _FUNCTION.fullmatch(said):
        return _of_function(found[1])
    return None


def hex_colour(said: str) -> Colour | None:
    """Return the colour of six hexadecimal digits."""
    found = css_colour(f"#{said}") if len(said) == 6 else None  # noqa: PLR2004 - RRGGBB
    return found[0] if found else None


def _of_hex(digits: str) -> tuple[Colour, float]:
    if len(digits) <= 4:  # noqa: PLR2004 - the short form has a digit for each
        digits = "".join(one * 2 for one in digits)
    values = [int(digits[at : at + 2], 16) / 255 for at in range(0, len(digits), 2)]
    return (values[0], values[1], values[2]), values[3] if len(values) > 3 else 1.0  # noqa: PLR2004 - RGBA


def _of_function(arguments: str) -> tuple[Colour, float] | None:
    values: list[float] = []
    for at, part in enumerate(re.split(r"[\s,/]+", arguments.strip())):
        try:
            number = float(part.rstrip("%"))
        except ValueError:
            return None
        whole = 100.0 if part.endswith("%") else (255.0 if at < 3 else 1.0)  # noqa: PLR2004 - RGBA
        values.append(min(max(number / whole, 0.0), 1.0))
    if len(values) not in {3, 4}:
        return None
    return (values[0], values[1], values[2]), values[3] if len(values) == 4 else 1.0  # noqa: PLR2004 - RGBA


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
        for one in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
