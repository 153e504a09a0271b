"""Takes out of a page what people who look at it do not see, and flags it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from lxml import etree

from services.knowledge.document import FlagKind
from services.knowledge.reading.colour import BLACK, WHITE, Colour, css_colour, is_unseen
from services.knowledge.reading.notebook import Notebook
from services.knowledge.reading.style_sheet import Declarations, declarations_of, styles_of

# 3 points.
TINY_PX: Final = 4.0
_NORMAL_PX: Final = 16.0
# Further away than anybody scrolls; no text is indented that much.
_FAR_PX: Final = 900.0
# Nothing that is said to people stands in these.
SILENT: Final = {"script", "style", "head", "link", "meta", "title", "base"}
_WORDS_OF_PROSE_MIN: Final = 4
_LENGTH: Final = re.compile(r"(-?\d{0,6}(?:\.\d{1,6})?)(px|pt|em|rem|%|vw|vh|)")
_PX: Final = {"px": 1.0, "pt": 4 / 3, "": 1.0, "rem": _NORMAL_PX, "vw": 12.0, "vh": 8.0}
_MARKUP: Final = re.compile(r"<[a-z/!]|^\s*\[if|^\s*(?:end|start|begin|/)|[{};=]{2}", re.IGNORECASE)


class _Look(msgspec.Struct, frozen=True):
    """How text looks that stands in an element; *behind* is None where a picture is."""

    colour: Colour = BLACK
    behind: Colour | None = WHITE
    size_px: float = _NORMAL_PX
    is_visible: bool = True


def keep_visible(root: Any, notebook: Notebook) -> None:
    """Remove from *root* what is not seen, and flag in *notebook* what it says."""
    _remove_comments(root, notebook)
    styles = styles_of(root)
    # Pages that show themselves once a script has run say so of the whole page.
    for whole in (root, *root.iterchildren("body")):
        for name in ("display", "visibility", "opacity"):
            styles.get(whole, {}).pop(name, None)
    _visit(root, _Look(), styles, notebook)


def _remove_comments(root: Any, notebook: Notebook) -> None:
    for node in list(root.iter(etree.Comment, etree.ProcessingInstruction)):
        text = node.text or ""
        is_prose = len(re.findall(r"[^\W\d_]{2,}", text)) >= _WORDS_OF_PROSE_MIN
        if node.tag is etree.Comment and is_prose and not _MARKUP.search(text):
            notebook.hide("not_shown", text)
        _remove(node)


def _visit(element: Any, look: _Look, styles: dict[Any, Declarations], notebook: Notebook) -> None:
    said = {**styles.get(element, {}), **declarations_of(element.get("style") or "")}
    if kind := _hidden_as_a_whole(element, said):
        if element.tag not in SILENT:
            notebook.hide(kind, _text_of(element))
        _remove(element)
        return
    look = _look_of(element, said, look)
    if kind := _unseen(look):
        _silence(element, kind, notebook)
    for child in list(element):
        if isinstance(child.tag, str):
            _visit(child, look, styles, notebook)


def _hidden_as_a_whole(element: Any, said: Declarations) -> FlagKind | None:
    get = said.get
    if (
        element.tag == "template"
        or element.get("hidden") is not None
        or (element.get("aria-hidden") or "").strip().lower() == "true"
        or get("display") == "none"
        or _number(get("opacity")) == 0
        or _is_away(said)
        or _is_clipped(said)
    ):
        return "not_shown"
    return None


def _is_away(said: Declarations) -> bool:
    get = said.get
    if abs(_px(get("text-indent"), _NORMAL_PX)) >= _FAR_PX:
        return True
    if get("position") in {"absolute", "fixed", "relative"}:
        return any(_px(get(side), _NORMAL_PX) <= -_FAR_PX for side in ("left", "top", "right"))
    return False


def _is_clipped(said: Declarations) -> bool:
    get = said.get
    if re.match(r"rect\((?:[01](?:px)?[,\s]*){4}\)", get("clip") or ""):
        return True
    if re.match(r"inset\((?:50|100)%|circle\(0", get("clip-path") or ""):
        return True
    if re.search(r"scale[xy]?\(0(?:\.0+)?[,)\s]", get("transform") or ""):
        return True
    sides = [_px(get(side), 0.0) if get(side) else None for side in ("width", "height")]
    is_small = any(one is not None and 0 <= one <= 1 for one in sides)
    return is_small and get("overflow") in {"hidden", "clip"}


def _look_of(element: Any, said: Declarations, look: _Look) -> _Look:
    behind: Colour | None = look.behind
    ground = said.get("background-color") or said.get("background") or element.get("bgcolor") or ""
    if "url(" in ground or "gradient" in ground or "url(" in said.get("background-image", ""):
        behind = None
    elif (found := css_colour(ground.split(" ")[0] if "(" not in ground else ground)) and found[1]:
        behind = found[0]
    colour = look.colour
    ink = said.get("-webkit-text-fill-color") or said.get("color") or _font(element, "color")
    if ink and (found := css_colour(ink)):
        # What is written in nothing is written in what is behind it.
        colour = found[0] if found[1] > 0.05 else (behind or WHITE)  # noqa: PLR2004 - of 1
    visibility = said.get("visibility")
    return _Look(
        colour,
        behind,
        _size_px(said.get("font-size"), look.size_px),
        look.is_visible if visibility is None else visibility not in {"hidden", "collapse"},
    )


def _unseen(look: _Look) -> FlagKind | None:
    if not look.is_visible:
        return "not_shown"
    if look.size_px < TINY_PX:
        return "tiny"
    if look.behind is not None and is_unseen(look.colour, look.behind):
        return "same_colour"
    return None


def _silence(element: Any, kind: FlagKind, notebook: Notebook) -> None:
    """Take out what stands in *element* itself; what stands in its children looks as they do."""
    parts = [element.text or "", *(child.tail or "" for child in element)]
    element.text = None
    for child in element:
        child.tail = None
    if element.tag not in SILENT:
        notebook.hide(kind, " ".join(parts))


def _remove(node: Any) -> None:
    """Take *node* out and leave what follows it."""
    parent, tail = node.getparent(), node.tail
    if parent is None:
        # The whole page: what is left of it is nothing.
        node.clear()
        return
    before = node.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + (tail or "")
    else:
        parent.text = (parent.text or "") + (tail or "")
    parent.remove(node)


def _text_of(element: Any) -> str:
    """What is in *element*, without what is never shown anyway."""
    parts = [] if element.tag in SILENT else [element.text or ""]
    for inner in element.iterdescendants():
        if isinstance(inner.tag, str) and inner.tag not in SILENT:
            parts.append(inner.text or "")
        parts.append(inner.tail or "")
    return " ".join(" ".join(parts).split())


def _font(element: Any, name: str) -> str | None:
    found: str | None = element.get(name) if element.tag == "font" else None
    return found


def _number(said: str | None) -> float | None:
    try:
        return None if said is None else float(said.rstrip("%"))
    except ValueError:
        return None


def _px(said: str | None, parent_px: float) -> float:
    """A length in pixels; 0 for what is none."""
    found = _LENGTH.fullmatch((said or "").strip())
    if not found or found[1] in {"", "-", "."}:
        return 0.0
    number, unit = float(found[1]), found[2]
    if unit == "em":
        return number * parent_px
    return number * parent_px / 100 if unit == "%" else number * _PX[unit]


def _size_px(said: str | None, parent_px: float) -> float:
    found = _LENGTH.fullmatch((said or "").strip())
    if not said or not found or found[1] in {"", "-", "."}:
        return parent_px
    # `font-size: 0%` of something big is nothing as well.
    return _px(said, parent_px)
