"""How text of a DOCX looks, by its run, its style, and the styles that this one is based on."""

from __future__ import annotations

import re
from typing import Any, Final

from docx.document import Document
from docx.oxml.ns import qn

from services.knowledge.document import FlagKind
from services.knowledge.reading.colour import WHITE, Colour, hex_colour, is_unseen

# Sizes are written in half points.
_TINY_HALF_POINTS: Final = 6
_STYLES_DEEP_MAX: Final = 20
_OFF: Final = {"0", "false", "off"}
# Ten words of a hidden paragraph mark and the like are switches like these.
_HIDING: Final = (qn("w:vanish"), qn("w:webHidden"))
_BODY_TEXT_LEVEL: Final = 9


class WordLook:
    """Looks up what a run, its paragraph and their styles say; the first that says it counts."""

    def __init__(self, document: Document) -> None:
        styles = document.styles.element
        self._styles = {style.get(qn("w:styleId")): style for style in styles.iter(qn("w:style"))}
        default = styles.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
        self._chains: dict[tuple[str, str | None], list[Any]] = {}
        self._default = [default] if default is not None else []

    def style_name(self, paragraph: Any) -> str:
        """Name of the style of a paragraph, as Word has it in every language; empty for none."""
        style = self._styles.get(_style_id(paragraph, "w:pPr", "w:pStyle"))
        name = style.find(qn("w:name")) if style is not None else None
        return str(name.get(qn("w:val")) or "") if name is not None else ""

    def outline_level(self, paragraph: Any) -> int:
        """Level of a heading that its style says it is, 0 for body text."""
        for properties in self._said("w:pPr", paragraph, _style_id(paragraph, "w:pPr", "w:pStyle")):
            found = properties.find(qn("w:outlineLvl"))
            if found is not None:
                level = str(found.get(qn("w:val")) or "")
                is_heading = level.isascii() and level.isdigit() and int(level) < _BODY_TEXT_LEVEL
                return int(level) + 1 if is_heading else 0
        return 0

    def hidden(self, run: Any, paragraph: Any) -> FlagKind | None:
        """Why a run is not seen, None where it is."""
        said = [
            *self._said("w:rPr", run, _style_id(run, "w:rPr", "w:rStyle")),
            *self._said("w:rPr", None, _style_id(paragraph, "w:pPr", "w:pStyle")),
            *self._default,
        ]
        if any(_is_on(said, switch) for switch in _HIDING):
            return "not_shown"
        size = _first(said, "w:sz")
        if re.fullmatch(r"\d{1,6}(?:\.\d{1,6})?", size or "", re.ASCII) and (
            float(size or "") < _TINY_HALF_POINTS
        ):
            return "tiny"
        colour = hex_colour(_first(said, "w:color") or "")
        behind = _shade(said) or self._shade_of_paragraph(paragraph) or WHITE
        if colour is not None and is_unseen(colour, behind):
            return "same_colour"
        return None

    def _shade_of_paragraph(self, paragraph: Any) -> Colour | None:
        styled = self._said("w:pPr", paragraph, _style_id(paragraph, "w:pPr", "w:pStyle"))
        if (found := _shade(styled)) is not None:
            return found
        for outer in paragraph.iterancestors(qn("w:tc")):
            properties = outer.find(qn("w:tcPr"))
            if properties is not None and (found := _shade([properties])) is not None:
                return found
        # A style of tables may shade them, a shape its text; what it does is not worked out.
        is_placed = any(True for _ in paragraph.iterancestors(qn("w:tbl"), qn("w:txbxContent")))
        return (0.5, 0.5, 0.5) if is_placed else None

    def _said(self, kind: str, element: Any, style_id: str | None) -> list[Any]:
        own = element.find(qn(kind)) if element is not None else None
        styled = self._styled(kind, style_id)
        return [own, *styled] if own is not None else styled

    def _styled(self, kind: str, style_id: str | None) -> list[Any]:
        """What a style says, and those that it is based on."""
        key = kind, style_id
        if (known := self._chains.get(key)) is not None:
            return known
        found: list[Any] = []
        for _ in range(_STYLES_DEEP_MAX):
            style = self._styles.get(style_id)
            if style is None:
                break
            properties = style.find(qn(kind))
            if properties is not None:
                found.append(properties)
            based = style.find(qn("w:basedOn"))
            style_id = based.get(qn("w:val")) if based is not None else None
        self._chains[key] = found
        return found


def _style_id(element: Any, properties: str, name: str) -> str | None:
    found = element.find(f"{qn(properties)}/{qn(name)}")
    return found.get(qn("w:val")) if found is not None else None


def _first(said: list[Any], name: str) -> str | None:
    for properties in said:
        found = properties.find(qn(name))
        if found is not None:
            value: str | None = found.get(qn("w:val"))
            return value
    return None


def _is_on(said: list[Any], switch: str) -> bool:
    for properties in said:
        found = properties.find(switch)
        if found is not None:
            return (found.get(qn("w:val")) or "true").lower() not in _OFF
    return False


def _shade(said: list[Any]) -> Colour | None:
    for properties in said:
        for name, attribute in (("w:highlight", "w:val"), ("w:shd", "w:fill")):
            found = properties.find(qn(name))
            if found is None:
                continue
            value = found.get(qn(attribute)) or ""
            if name == "w:highlight" and value != "none":
                # Sixteen colours, of which white is one.
                return WHITE if value == "white" else (0.5, 0.5, 0.5)
            if (colour := hex_colour(value.lower())) is not None:
                return colour
    return None
