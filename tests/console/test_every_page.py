"""
Every page that there is, found where they are registered, looked at as people look at them.

In both themes and widths, in both languages: nobody is shut out (axe-core), nothing is broken, and
nothing is left in English on a Spanish page.
"""

import pytest
from axe_playwright_python.async_playwright import Axe

from services.console import languages
from services.console.site import OWN_PAGES, PAGES
from tests.console import lived

SHUTS_OUT = ("serious", "critical")
# Who looks, how wide, in what colours and language.
LOOKS = {
    "owner-wide-light-en": ("owner", 1200, "light", "en-GB"),
    "owner-phone-dark-es": ("owner", 390, "dark", "es-AR"),
    "admin-phone-light-es": ("admin", 390, "light", "es-MX"),
}
_OF_ADMINS = ("price_book", "access")
# Wider than the window: what a finger would have to push about.
# Names for programs, such as `limit_nanos`, where a person reads; `code` is for who looks for one.
_TECHNICAL = """() => {
    const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const is_meant = texts.currentNode.parentElement.closest("code, pre, textarea, q");
        if (!is_meant) {
            found.push(...(texts.currentNode.data.match(/\\b[a-z]+(_[a-z0-9]+)+\\b/g) || []));
        }
    }
    return found;
}"""
# Ids of who is not known by name, and the variable that a hint on prompts has as its example.
_MEANT = ("person_", "key_", "visitor_", "deployment_", "user_name")
_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def unsaid(monkeypatch):
    """The texts that were wanted in Spanish and were not there."""
    found = set()
    say = languages.Words.__call__

    def heard(self, text, /, **values):
        if self.language == "es" and text not in self._texts and _is_text(text):
            found.add(text)
        return say(self, text, **values)

    monkeypatch.setattr(languages.Words, "__call__", heard)
    return found


def _is_text(text):
    """Whether it has words, and is no name, figure or amount that stands in a sentence."""
    return " " in text and not text.startswith(("$", "\u2013"))


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_can_be_read_by_everybody(place, unsaid, look):
    """One walk over all pages, and everything that is wrong with any of them."""
    person, width, colours, locale = LOOKS[look]
    await lived.live(place)
    size = {"width": width, "height": 900}
    tab = await place.tab(person, viewport=size, color_scheme=colours, locale=locale)
    wrong = []
    for path in _paths(person):
        response = await tab.page.goto(place.url + path)
        wrong += [f"{path}: {one}" for one in await _wrong_with(tab, response)]
    assert wrong == []
    assert unsaid == set()
    assert tab.refused == []


def _paths(person):
    """The pages that somebody is shown; of an admin those on which they do what nobody else may."""
    found = [
        f"/console/cantor/{address}".rstrip("/")
        for _, page, address in lived.addresses(PAGES)
        if person != "admin" or page.noun in _OF_ADMINS
    ]
    own = [
        f"/console/{address}".rstrip("/")
        for first in OWN_PAGES
        for address, page in first.below("")
        if person == "admin" or not page.noun
    ]
    return [*own, *found]


async def _wrong_with(tab, response):
    """Everything that is wrong with the page that is open."""
    policy = response.headers.get("content-security-policy", "none")
    found = (await Axe().run(tab.page)).response["violations"]
    overflow = await tab.page.evaluate(_OVERFLOW)
    technical = await tab.page.evaluate(_TECHNICAL)
    return [
        *(f"says {one}" for one in technical if not one.startswith(_MEANT)),
        *([f"answered {response.status}"] if response.status != 200 else []),
        *([f"policy {policy}"] if "default-src" not in policy or "unsafe" in policy else []),
        *([f"{overflow} px too wide"] if overflow > 0 else []),
        *(
            f"{one['id']}: {node['target']}"
            for one in found
            if one["impact"] in SHUTS_OUT
            for node in one["nodes"]
        ),
    ]
