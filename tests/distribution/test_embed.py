"""Embed code: the same for the same deployment, and nothing that is in it becomes HTML."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.views import DeploymentShown
from services.distribution.embed import NotAPlatform, embed_code
from tests.domain.governed import TOLD, terms

PLATFORM = "https://twins.example"
INJECTIONS = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'><svg/onload=alert(1)>"),
    *("</p></div><iframe>", "<!--", "-->", "]]>", "&lt;b&gt;", "&", "javascript:alert(1)"),
    *("\\u003cscript\\u003e", "{{constructor}}", "${alert(1)}", "<br>\n</p>", "\u202e", "a\x0bb"),
)


def deployment(**fields) -> DeploymentShown:
    return DeploymentShown(
        **{
            "deployment": "web",
            "enabled": True,
            "version": 3,
            "terms": terms(ceiling="voice"),
            "disclosure_version": 2,
            "disclosure": TOLD,
            "language": "es-MX",
            **fields,
        }
    )


class Read(HTMLParser):
    """What a browser makes of a snippet: its elements, and the text within the disclosure."""

    def __init__(self, snippet: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.other: list[str] = []
        self.text = ""
        self.feed(snippet)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "br":
            self.text += "\n"
        else:
            self.elements.append((tag, dict(attrs)))
            if tag == "p":
                self.text = ""

    def handle_endtag(self, tag):
        if tag == "p":
            self.text += "\0end"

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.other.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def disclosed(self) -> str:
        return self.text.partition("\0end")[0]


def test_it_is_what_a_page_pastes():
    """The whole text, so that a change of it is read in review."""
    assert embed_code(
        "cantor", deployment(disclosure="Soy una IA.\n¿Vale?"), platform=PLATFORM
    ) == (
        '<div class="vito-twin" data-vito-tenant="cantor" data-vito-deployment="web"'
        ' data-vito-surface="web_widget" data-vito-ceiling="voice" data-vito-disclosure="2">\n'
        '  <p class="vito-disclosure" lang="es-MX" dir="auto">Soy una IA.<br>¿Vale?</p>\n'
        "</div>\n"
        '<script src="https://twins.example/embed.js" async></script>\n'
    )


WILD = st.one_of(st.sampled_from(INJECTIONS), st.text(max_size=40))


@given(tenant=WILD, name=WILD, text=WILD, language=WILD)
@example(*INJECTIONS[:4])
def test_every_value_stays_a_value(tenant, name, text, language):
    """
    Goal: whatever stands in a deployment, the page gets these three elements and that text.
    Method: injection strings and random texts in every field, read by an HTML parser.
    """
    shown = deployment(deployment=name, disclosure=text, language=language)
    snippet = embed_code(tenant, shown, platform=PLATFORM)
    read = Read(snippet)

    assert snippet == embed_code(tenant, shown, platform=PLATFORM)
    assert read.elements == [
        (
            "div",
            {
                "class": "vito-twin",
                "data-vito-tenant": tenant,
                "data-vito-deployment": name,
                "data-vito-surface": "web_widget",
                "data-vito-ceiling": "voice",
                "data-vito-disclosure": "2",
            },
        ),
        ("p", {"class": "vito-disclosure", "lang": language, "dir": "auto"}),
        ("script", {"src": f"{PLATFORM}/embed.js", "async": None}),
    ]
    assert read.disclosed == text
    assert read.other == []


@pytest.mark.parametrize(
    "platform",
    ["", "twins.example", "https://twins.example/", "javascript:alert(1)", '"', "http://a.b"],
)
def test_a_platform_that_is_no_origin_is_refused(platform):
    """The script of another address would run on the customer's page."""
    with pytest.raises(NotAPlatform) as refused:
        embed_code("cantor", deployment(), platform=platform)

    assert "twins.example" in refused.value.remedy


def test_it_says_nothing_that_is_secret():
    """Origins, limits and dates are nobody's business who reads the source of a page."""
    snippet = embed_code("cantor", deployment(), platform=PLATFORM)

    assert "tvazteca" not in snippet
    assert "600" not in snippet
