"""
What is painted on a page of a PDF, as far as it decides whether text on it can be seen.

Coordinates are those of the page, in points. Where the shape of something is not known it is taken
for the box around it, and its colour for unknown: such text is kept and flagged.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from services.knowledge.document import FlagKind
from services.knowledge.reading.colour import BLACK, WHITE, Colour, is_unseen

# a b c d e f of ISO 32000-1, 8.3.4: x' = ax + cy + e, y' = bx + dy + f.
Matrix: TypeAlias = tuple[float, float, float, float, float, float]
Box: TypeAlias = tuple[float, float, float, float]

IDENTITY: Final[Matrix] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
TINY_POINTS: Final = 3.0
# Text is hidden by what lies on nearly all of it.
_COVERS_MIN: Final = 0.9
# Of one page, the last so many; more than any page of text has.
SURFACES_MAX: Final = 1_500
_INVISIBLE_MODE: Final = 3
_CLIP_MODE: Final = 7
_STROKE_MODES: Final = {1, 5}
_OPAQUE_MIN: Final = 0.1


class Pen(msgspec.Struct):
    """The graphics state, as far as text depends on it; colours are None for patterns."""

    matrix: Matrix = IDENTITY
    fill: Colour | None = BLACK
    stroke: Colour | None = BLACK
    fill_opacity: float = 1.0
    stroke_opacity: float = 1.0
    is_normal_blend: bool = True
    font: str = ""
    size: float = 0.0
    mode: int = 0
    leading: float = 0.0
    character_space: float = 0.0
    word_space: float = 0.0
    scale: float = 1.0
    rise: float = 0.0
    clip: Box | None = None

    def copy(self) -> Pen:
        """A pen for what comes until it is restored."""
        return msgspec.structs.replace(self)


class Surface(msgspec.Struct, frozen=True):
    """Something painted; *colour* is None where it is not one, or not known."""

    order: int
    box: Box
    colour: Colour | None
    covers: bool


class Run(msgspec.Struct):
    """
    Text painted in one go. *along* and *across* are its place in the direction of writing, *length*
    how far it goes; *x* and *y* are its beginning on the page.
    """

    order: int
    text: str
    x: float
    y: float
    direction: tuple[float, float]
    length: float
    size: float
    is_bold: bool
    colour: Colour | None
    clip: Box | None = None
    hidden: FlagKind | None = None
    is_doubtful: bool = False

    @property
    def along(self) -> float:
        return self.x * self.direction[0] + self.y * self.direction[1]

    @property
    def across(self) -> float:
        return self.y * self.direction[0] - self.x * self.direction[1]

    @property
    def box(self) -> Box:
        (dx, dy), up = self.direction, self.size * 0.6
        corners = [
            (self.x + dx * far - dy * high, self.y + dy * far + dx * high)
            for far in (0.0, self.length)
            for high in (0.0, up)
        ]
        return box_of(corners)


def multiply(one: Matrix, other: Matrix) -> Matrix:
    """Return *one* done before *other*."""
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return (
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + m,
    )


def moved(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Return where *matrix* puts a point."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def box_of(points: list[tuple[float, float]]) -> Box:
    """Return the box around *points*."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def common_box(one: Box | None, other: Box) -> Box:
    """Return what both have in common, empty where they have nothing; None is everything."""
    if one is None:
        return other
    return (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )


def hidden_by_itself(pen: Pen, size: float, width_scale: float) -> FlagKind | None:
    """Why text of this pen is not seen wherever it stands, None where it is."""
    if pen.mode in {_INVISIBLE_MODE, _CLIP_MODE}:
        return "not_shown"
    opacity = pen.stroke_opacity if pen.mode in _STROKE_MODES else pen.fill_opacity
    if opacity < _OPAQUE_MIN:
        return "not_shown"
    return "tiny" if min(size, width_scale) < TINY_POINTS else None


def judge(runs: list[Run], surfaces: list[Surface], page: Box) -> None:
    """Say of each run whether it is seen, by what lies below and above it."""
    for run in runs:
        if run.hidden is None:
            _judge(run, surfaces, page)


def _judge(run: Run, surfaces: list[Surface], page: Box) -> None:
    box = run.box
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    if not _has(page, *middle) or (run.clip is not None and not _has(run.clip, *middle)):
        run.hidden = "not_shown"
        return
    behind: Colour | None = WHITE
    for surface in surfaces:
        if not _has(surface.box, *middle):
            continue
        if surface.order < run.order:
            behind = surface.colour
        elif surface.covers and _share(box, surface.box) >= _COVERS_MIN:
            run.hidden = "not_shown"
            return
    if run.colour is None:
        return
    if behind is None:
        # On a picture, or within a curve: white may be seen there, or not.
        run.is_doubtful = is_unseen(run.colour, WHITE)
    elif is_unseen(run.colour, behind):
        run.hidden = "same_colour"


def _has(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _share(inner: Box, outer: Box) -> float:
    """How much of *inner* lies in *outer*."""
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    whole = (inner[2] - inner[0]) * (inner[3] - inner[1])
    if width <= 0 or height <= 0 or whole <= 0:
        return 0.0
    return width * height / whole
