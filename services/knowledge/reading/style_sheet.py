"""The rules of a page's own style sheets that can hide something, and whom they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from cssselect import GenericTranslator, SelectorError
from lxml import etree

Declarations: TypeAlias = dict[str, str]

# What decides whether something is seen.
PROPERTIES: Final = {
    "display",
    "visibility",
    "opacity",
    "font-size",
    "color",
    "background",
    "background-color",
    "background-image",
    "position",
    "left",
    "top",
    "right",
    "text-indent",
    "clip",
    "clip-path",
    "width",
    "height",
    "overflow",
    "transform",
    "-webkit-text-fill-color",
}
# Sheets of whole frameworks have about as many; what is beyond is not looked at.
RULES_MAX: Final = 5_000
_COMMENTS: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_PRELUDE: Final = re.compile(r"[^{};]*[{};]")
_TRANSLATE: Final = GenericTranslator()


def declarations_of(style: str) -> Declarations:
    """Return what `a: b; c: d` says, as far as it decides whether something is seen."""
    found: Declarations = {}
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        name = name.strip().lower()
        if colon and name in PROPERTIES:
            found[name] = value.lower().replace("!important", "").strip()
    return found


def styles_of(root: Any) -> dict[Any, Declarations]:
    """
    Return what the style sheets of a page say of each element; later rules win.

    How specific a selector is does not count: to hide less than a browser would be worse than to
    hide more, which whoever reviews can see.
    """
    styles: dict[Any, Declarations] = {}
    left = RULES_MAX
    for sheet in root.iter("style"):
        for selectors, declarations in _rules(_COMMENTS.sub("", sheet.text_content())):
            if (left := left - 1) < 0:
                return styles
            for element in _selected(root, selectors):
                styles.setdefault(element, {}).update(declarations)
    return styles


def _rules(sheet: str) -> Iterator[tuple[str, Declarations]]:
    """Rules that apply on a screen; those inside of @media screen and the like as well."""
    at, depth_to_pass = 0, 0
    while found := _PRELUDE.match(sheet, at):
        said, mark = found[0][:-1].strip(), found[0][-1]
        at = found.end()
        if mark == "{" and (depth_to_pass or (said.startswith("@") and not _is_open(said))):
            depth_to_pass += 1
        elif mark == "}" and depth_to_pass:
            depth_to_pass -= 1
        elif mark == "{" and not said.startswith("@"):
            end = sheet.find("}", at)
            end = len(sheet) if end < 0 else end
            if said and (declarations := declarations_of(sheet[at:end])):
                yield said, declarations
            at = end + 1


def _is_open(prelude: str) -> bool:
    """Whether what is inside of an at-rule applies to a screen."""
    said = prelude.lower()
    if said.startswith("@media"):
        # Screens of other sizes and moods show something else.
        return not re.search(r"print|speech|max-|min-|prefers|orientation|hover|not ", said)
    return said.startswith(("@layer", "@supports"))


def _selected(root: Any, selectors: str) -> Iterator[Any]:
    for selector in selectors.split(","):
        try:
            path = _TRANSLATE.css_to_xpath(selector.strip().lower() or "*")
            yield from root.xpath(path)
        except (SelectorError, etree.XPathError, RecursionError):
            # What only a browser knows: who hovers, what stands before a link.
            continue
