"""
Runs of text on a page of a PDF, with how and on what each is painted.

pypdf parses the content and decodes the fonts. Its own extraction gives text alone; whether a word
is painted in white, in no mode at all or under a picture is decided by the operators around it
(ISO 32000-1, 8.4 and 9.3), so they are followed here.
"""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from typing import Any, Final, TypeAlias

from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, NameObject, StreamObject
from pypdf.generic._font import Font

from services.knowledge.reading.colour import BLACK, WHITE, Colour
from services.knowledge.reading.pdf_layers import resolved
from services.knowledge.reading.pdf_operands import (
    NUMBERS,
    colour_of,
    gap_of,
    matrix_of,
    page_box,
    shown,
)
from services.knowledge.reading.pdf_paint import (
    IDENTITY,
    SURFACES_MAX,
    Box,
    Matrix,
    Pen,
    Run,
    Surface,
    box_of,
    common_box,
    hidden_by_itself,
    judge,
    moved,
    multiply,
)

FORMS_MAX: Final = 1_000
FORM_DEPTH_MAX: Final = 12
PENS_MAX: Final = 500
# Of a fill that lets what is below shine through.
_COVERING_OPACITY: Final = 0.9
_TYPE3: Final = "Type3"
_Handler: TypeAlias = Callable[[Any], None]


class PdfPage:
    """
    Follows the operators of one page.

    *fonts* is shared by the pages of a document; *hidden_layers* are the numbers of the objects of
    its layers that are switched off.
    """

    def __init__(
        self, page: Any, reader: Any, fonts: dict[int, Font], hidden_layers: set[int]
    ) -> None:
        self.runs: list[Run] = []
        # Text in fonts that say nothing of what their signs mean.
        self.unreadable = 0
        self._reader = reader
        self._fonts = fonts
        self._hidden_layers = hidden_layers
        self._surfaces: list[Surface] = []
        self._order = 0
        self._forms = 0
        self._pen = Pen()
        self._pens: list[Pen] = []
        self._line: Matrix = IDENTITY
        self._text: Matrix = IDENTITY
        self._path: list[tuple[float, float]] = []
        self._rectangles: list[Box] | None = []
        # Whether the path will bound what is painted after it.
        self._clips = False
        # For each marked content that is open: whether it is of a layer that is switched off.
        self._marked: list[bool] = []
        self._resources: Any = {}
        self._box = page_box(page)
        self._handlers = self._text_handlers() | self._paint_handlers()
        self._follow(page.get("/Contents"), page.get("/Resources"), 0)
        judge(self.runs, self._surfaces, self._box)

    # -- Operators -----------------------------------------------------------

    def _follow(self, content: Any, resources: Any, depth: int) -> None:
        if content is None:
            return
        outer, self._resources = self._resources, resolved(resources) or {}
        stream = ContentStream(content.get_object(), self._reader, "bytes")
        for operands, operator in stream.operations:
            if operator == b"Do":
                self._do(operands, depth)
            elif handler := self._handlers.get(operator):
                try:
                    handler(operands)
                except (IndexError, TypeError, ValueError, KeyError, OverflowError):
                    # Operands that are missing or none; the rest of the page is still text.
                    continue
        self._resources = outer

    def _text_handlers(self) -> dict[bytes, _Handler]:
        return {
            b"BT": self._begin_text,
            b"Tf": self._font,
            b"Tr": self._mode,
            b"TL": self._setting("leading"),
            b"Tc": self._setting("character_space"),
            b"Tw": self._setting("word_space"),
            b"Tz": self._setting("scale", 100.0),
            b"Ts": self._setting("rise"),
            b"Td": self._move,
            b"TD": self._move_leading,
            b"Tm": self._place,
            b"T*": self._next_line,
            b"Tj": self._show,
            b"TJ": self._show_spaced,
            b"'": self._next_show,
            b'"': self._next_show_spaced,
        }

    def _paint_handlers(self) -> dict[bytes, _Handler]:
        return {
            b"q": self._save,
            b"Q": self._restore,
            b"cm": self._concatenate,
            b"gs": self._external_state,
            **dict.fromkeys((b"g", b"rg", b"k", b"sc", b"scn"), self._fill_colour),
            **dict.fromkeys((b"G", b"RG", b"K", b"SC", b"SCN"), self._stroke_colour),
            b"cs": self._fill_space,
            b"CS": self._stroke_space,
            b"re": self._rectangle,
            **dict.fromkeys((b"m", b"l", b"c", b"v", b"y"), self._to),
            **dict.fromkeys((b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"), self._fill),
            **dict.fromkeys((b"n", b"S", b"s"), self._end_path),
            **dict.fromkeys((b"W", b"W*"), self._clip),
            b"sh": self._shading,
            b"INLINE IMAGE": self._inline_image,
            **dict.fromkeys((b"BMC", b"BDC"), self._begin_marked),
            b"EMC": self._end_marked,
        }

    def _setting(self, name: str, divided_by: float = 1.0) -> _Handler:
        def handler(operands: Any) -> None:
            setattr(self._pen, name, float(operands[0]) / divided_by)

        return handler

    # -- State ---------------------------------------------------------------

    def _save(self, _: Any) -> None:
        if len(self._pens) < PENS_MAX:
            self._pens.append(self._pen.copy())

    def _restore(self, _: Any) -> None:
        if self._pens:
            self._pen = self._pens.pop()

    def _concatenate(self, operands: Any) -> None:
        self._pen.matrix = multiply(matrix_of(operands), self._pen.matrix)

    def _external_state(self, operands: Any) -> None:
        state = self._resource("/ExtGState", operands[0])
        if not isinstance(state, DictionaryObject):
            return
        self._pen.fill_opacity = float(state.get("/ca", self._pen.fill_opacity))
        self._pen.stroke_opacity = float(state.get("/CA", self._pen.stroke_opacity))
        self._pen.is_normal_blend = state.get("/BM", "/Normal") in {"/Normal", "/Compatible"}
        if (font := resolved(state.get("/Font"))) and len(font) > 1:
            self._pen.size = float(font[1])

    # -- Colours -------------------------------------------------------------

    def _fill_colour(self, operands: Any) -> None:
        self._pen.fill = colour_of(operands)

    def _stroke_colour(self, operands: Any) -> None:
        self._pen.stroke = colour_of(operands)

    def _fill_space(self, _: Any) -> None:
        self._pen.fill = BLACK

    def _stroke_space(self, _: Any) -> None:
        self._pen.stroke = BLACK

    # -- Paths ---------------------------------------------------------------

    def _rectangle(self, operands: Any) -> None:
        x, y, width, height = (float(one) for one in operands[:4])
        corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
        placed = [moved(self._pen.matrix, *corner) for corner in corners]
        self._path += placed
        if self._rectangles is not None:
            self._rectangles.append(box_of(placed))

    def _to(self, operands: Any) -> None:
        points = [float(one) for one in operands]
        for at in range(0, len(points) - 1, 2):
            self._path.append(moved(self._pen.matrix, points[at], points[at + 1]))
        # No longer nothing but rectangles.
        self._rectangles = None

    def _fill(self, _: Any) -> None:
        if self._rectangles:
            for box in self._rectangles:
                self._surface(box, self._pen.fill, covers=self._pen.fill is not None)
        elif self._path:
            self._surface(box_of(self._path), None, covers=False)
        self._end_path(_)

    def _clip(self, _: Any) -> None:
        self._clips = True

    def _end_path(self, _: Any) -> None:
        if self._clips and self._path:
            self._pen.clip = common_box(self._pen.clip, box_of(self._path))
        self._clips = False
        self._path.clear()
        self._rectangles = []

    def _shading(self, _: Any) -> None:
        self._surface(self._box, None, covers=False)

    def _inline_image(self, _: Any) -> None:
        self._image()

    def _image(self) -> None:
        corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
        box = box_of([moved(self._pen.matrix, *corner) for corner in corners])
        self._surface(box, None, covers=True)

    def _surface(self, box: Box, colour: Colour | None, *, covers: bool) -> None:
        pen = self._pen
        if pen.fill_opacity < _COVERING_OPACITY or not pen.is_normal_blend or any(self._marked):
            # Text shines through; what it does to a colour is not worked out.
            covers, colour = False, colour if colour in {WHITE, None} else None
        self._order += 1
        self._surfaces.append(Surface(self._order, box, colour, covers))
        del self._surfaces[:-SURFACES_MAX]

    def _do(self, operands: Any, depth: int) -> None:
        form = self._resource("/XObject", operands[0]) if operands else None
        if not isinstance(form, StreamObject):
            return
        if form.get("/Subtype") != "/Form":
            if "/SMask" not in form and "/Mask" not in form:
                self._image()
            return
        self._forms += 1
        if self._forms > FORMS_MAX or depth >= FORM_DEPTH_MAX:
            return
        pens, self._pens = self._pens, []
        outer = self._pen.copy()
        is_off = self._is_off(form.get("/OC"))
        self._marked.append(is_off)
        if matrix := resolved(form.get("/Matrix")):
            self._pen.matrix = multiply(matrix_of(matrix), self._pen.matrix)
        self._follow(form, form.get("/Resources") or self._resources, depth + 1)
        self._marked.pop()
        self._pen, self._pens = outer, pens

    # -- Layers --------------------------------------------------------------

    def _begin_marked(self, operands: Any) -> None:
        is_off = False
        if len(operands) > 1 and operands[0] == "/OC" and isinstance(operands[1], NameObject):
            named = resolved(self._resources.get("/Properties"))
            is_off = bool(named) and self._is_off(named.raw_get(operands[1]))
        if len(self._marked) < PENS_MAX:
            self._marked.append(is_off)

    def _end_marked(self, _: Any) -> None:
        if self._marked:
            self._marked.pop()

    def _is_off(self, layer: Any) -> bool:
        return getattr(layer, "idnum", None) in self._hidden_layers

    # -- Text ----------------------------------------------------------------

    def _begin_text(self, _: Any) -> None:
        self._text = self._line = IDENTITY

    def _font(self, operands: Any) -> None:
        self._pen.font, self._pen.size = str(operands[0]), float(operands[1])

    def _mode(self, operands: Any) -> None:
        self._pen.mode = int(operands[0])

    def _next(self, x: float, y: float) -> None:
        self._line = multiply((1.0, 0.0, 0.0, 1.0, x, y), self._line)
        self._text = self._line

    def _move(self, operands: Any) -> None:
        self._next(float(operands[0]), float(operands[1]))

    def _move_leading(self, operands: Any) -> None:
        self._pen.leading = -float(operands[1])
        self._move(operands)

    def _place(self, operands: Any) -> None:
        self._text = self._line = matrix_of(operands)

    def _next_line(self, _: Any) -> None:
        self._next(0.0, -self._pen.leading)

    def _show(self, operands: Any) -> None:
        self._paint([operands[0]])

    def _show_spaced(self, operands: Any) -> None:
        if isinstance(operands[0], ArrayObject | list):
            self._paint(operands[0])

    def _next_show(self, operands: Any) -> None:
        self._next_line(operands)
        self._paint([operands[0]])

    def _next_show_spaced(self, operands: Any) -> None:
        self._pen.word_space, self._pen.character_space = float(operands[0]), float(operands[1])
        self._next_line(operands)
        self._paint([operands[2]])

    def _paint(self, parts: Any) -> None:
        """Show strings with the moves between them; a move as wide as a blank is one."""
        font = self._font_of(self._pen.font)
        if font is None:
            return
        pen, far = self._pen, 0.0
        texts: list[str] = []
        for part in parts:
            if isinstance(part, NUMBERS):
                shift = -float(part) / 1000 * pen.size * pen.scale
                far += shift
                if shift > gap_of(font, pen) and texts and not texts[-1].endswith(" "):
                    texts.append(" ")
            elif isinstance(part, bytes | str) and not isinstance(part, NameObject):
                text, width = shown(font, part, pen)
                texts.append(text)
                far += width
        self._add("".join(texts), font, far)
        self._text = multiply((1.0, 0.0, 0.0, 1.0, far, 0.0), self._text)

    def _add(self, text: str, font: Font, far: float) -> None:
        if not text.strip():
            return
        if not font.interpretable:
            self.unreadable += len(text)
            return
        pen = self._pen
        placed = multiply(multiply((1.0, 0.0, 0.0, 1.0, 0.0, pen.rise), self._text), pen.matrix)
        wide, high = hypot(placed[0], placed[1]), hypot(placed[2], placed[3])
        # Fonts of drawings have units of their own.
        size = abs(pen.size) * high if font.sub_type != _TYPE3 else max(abs(pen.size) * high, 10.0)
        width_scale = abs(pen.size * pen.scale) * wide if font.sub_type != _TYPE3 else size
        hidden = hidden_by_itself(pen, size, width_scale)
        self._order += 1
        self.runs.append(
            Run(
                order=self._order,
                text=text,
                x=placed[4],
                y=placed[5],
                direction=(placed[0] / wide, placed[1] / wide) if wide else (1.0, 0.0),
                length=abs(far) * wide,
                size=size,
                is_bold="bold" in font.name.lower() or "black" in font.name.lower(),
                clip=pen.clip,
                colour=pen.stroke if pen.mode in {1, 5} else pen.fill,
                hidden="not_shown" if any(self._marked) else hidden,
            )
        )

    def _font_of(self, name: str) -> Font | None:
        found = self._resource("/Font", name)
        if not isinstance(found, DictionaryObject):
            return None
        key = id(found)
        if key not in self._fonts:
            self._fonts[key] = Font.from_font_resource(found)
        return self._fonts[key]

    def _resource(self, kind: str, name: Any) -> Any:
        named = resolved(self._resources.get(kind))
        return resolved(named.get(name)) if isinstance(named, DictionaryObject) else None
