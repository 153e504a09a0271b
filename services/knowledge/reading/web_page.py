"""HTML: what people see of a page, without what is around its text on every page of a site."""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree, html

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading.charset import characters_of
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.media_type import HTML
from services.knowledge.reading.notebook import Notebook
from services.knowledge.reading.page_walk import PageWalk, text_of
from services.knowledge.reading.visibility import keep_visible

# No text for people, or none of the document.
_NO_TEXT: Final = {
    "script",
    "style",
    "noscript",
    "template",
    "iframe",
    "object",
    "embed",
    "canvas",
    "audio",
    "video",
    "svg",
    "button",
    "select",
    "input",
    "textarea",
    "option",
    "datalist",
    "map",
    "link",
    "meta",
    "title",
    "head",
}
_AROUND: Final = {"nav", "footer", "aside", "dialog"}
_AROUND_ROLES: Final = {
    "navigation",
    "banner",
    "contentinfo",
    "search",
    "complementary",
    "dialog",
    "menu",
    "menubar",
    "alert",
}
_AROUND_NAMES: Final = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|menu|sidebar|breadcrumbs?|cookies?|newsletter|share|sharing|social"
    r"|related|advert|ads|popup|modal|pagination|pager|skip-link|footer|comments)(?:$|[\s_-])",
    re.IGNORECASE,
)
_MAIN: Final = (".//main", ".//*[@role='main']", ".//article", ".//*[@itemprop='articleBody']")
# Of the text of a list or a box of links, links are at least this.
_LINKS_SHARE: Final = 0.8
_BOXES: Final = ("ul", "ol", "div", "section", "p")
# Where less is left, what seemed to be around was the text.
_SHARE_LEFT_MIN: Final = 0.2
_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE
)
_HEAD_BYTES: Final = 4_096


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a page says; raises IngestionProblem."""
    text = characters_of(fetched.body, fetched.charset or _stated_charset(fetched.body))
    notebook = Notebook(limits)
    root = parsed(text, limits)
    title = _title(root)
    keep_visible(root, notebook)
    etree.strip_elements(root, *_NO_TEXT, with_tail=False)
    PageWalk(notebook).whole(_main(root))
    return notebook.reading(HTML, title or fetched.title)


def parsed(text: str, limits: Limits) -> Any:
    """Return the root of a page; raises IngestionProblem where it is nested too deeply."""
    _check_depth(text, limits.depth_max)
    # A declaration inside of a text that is decoded already would be obeyed.
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    data = text.replace("\0", "").encode("utf-8", "replace")
    try:
        return html.document_fromstring(data, parser=parser)
    except etree.ParserError:
        raise IngestionProblem("no_text", "It has no text.") from None


class _Depth:
    """Target of a parser that only counts how deep elements stand."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._depth = 0

    def start(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > self._most:
            raise IngestionProblem("too_deep", f"It is nested more than {self._most} levels deep.")

    def end(self, _tag: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        return None


def _check_depth(text: str, most: int) -> None:
    """Before a tree is made: the parser drops what stands too deep, and says nothing."""
    parser = etree.HTMLParser(target=_Depth(most), encoding="utf-8", no_network=True)
    try:
        parser.feed(text.replace("\0", "").encode("utf-8", "replace"))
        parser.close()
    except etree.XMLSyntaxError:
        # Nothing in it is an element; whoever reads it says so.
        return


def _stated_charset(body: bytes) -> str:
    found = _CHARSET.search(body[:_HEAD_BYTES])
    return found[1].decode("ascii") if found else ""


def _title(root: Any) -> str:
    found = root.find(".//title")
    return text_of(found) if found is not None else ""


def _main(root: Any) -> Any:
    """Return what of a page is its own text."""
    body = root.find("body")
    body = root if body is None else body
    for path in _MAIN:
        found = body.findall(path)
        if len(found) == 1 and text_of(found[0]):
            _drop_around(found[0])
            return found[0]
    before = len(text_of(body))
    whole = etree.fromstring(
        etree.tostring(body),
        parser=etree.XMLParser(
            huge_tree=False, recover=True, resolve_entities=False, no_network=True
        ),
    )
    _drop_around(body)
    _drop_links(body)
    return body if len(text_of(body)) >= before * _SHARE_LEFT_MIN else whole


def _drop_around(root: Any) -> None:
    for element in list(root.iterdescendants()):
        if element.getparent() is not None and _is_around(element):
            element.drop_tree()


def _is_around(element: Any) -> bool:
    if not isinstance(element.tag, str):
        return False
    if element.tag in _AROUND or (element.get("role") or "").lower() in _AROUND_ROLES:
        return True
    if element.tag == "header":
        # That of an article has its title; that of a site has its menu.
        return element.find(".//h1") is None
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    return element.tag in _BOXES and _AROUND_NAMES.search(names) is not None


def _drop_links(root: Any) -> None:
    """Lists and boxes that are nothing but links lead elsewhere."""
    for element in list(root.iter(*_BOXES)):
        links = element.findall(".//a")
        if element is root or len(links) < 3:  # noqa: PLR2004 - a paragraph may have some
            continue
        length = len(text_of(element))
        if length and sum(len(text_of(link)) for link in links) >= length * _LINKS_SHARE:
            element.drop_tree()
