"""
Embed code: the HTML that shows a twin on a page, as a pure function of its deployment.

It holds no secret: whoever copies it to another page is refused there, because the browser says
which page it is. The disclosure stands in it as text, so that it is shown before any script runs,
and to whoever runs none.
"""

from __future__ import annotations

from html import escape
from typing import Final

from contracts.views import DeploymentShown
from domain import origin
from services.failure import Failure

SCRIPT_PATH: Final = "/embed.js"


class NotAPlatform(Failure):
    """The address of the platform cannot be used."""


def embed_code(tenant: str, shown: DeploymentShown, *, platform: str) -> str:
    """
    Return the snippet for a page; the same deployment gives the same text.

    *platform* is the origin that the script comes from, such as https://twins.example.

    Raises:
        NotAPlatform: *platform* is no origin.
    """
    source = origin.parse(platform)
    if isinstance(source, origin.NotAnOrigin):
        raise NotAPlatform(
            f"{platform!r} is not the address of a platform: {source.rule}.",
            "give its origin, such as https://twins.example.",
        )
    attributes = {
        "class": "vito-twin",
        "data-vito-tenant": tenant,
        "data-vito-deployment": shown.deployment,
        "data-vito-surface": shown.terms.surface,
        "data-vito-ceiling": shown.terms.ceiling,
        "data-vito-disclosure": str(shown.disclosure_version),
    }
    named = " ".join(f'{name}="{_value(value)}"' for name, value in attributes.items())
    told = "<br>".join(escape(line) for line in shown.disclosure.split("\n"))
    return (
        f"<div {named}>\n"
        f'  <p class="vito-disclosure" lang="{_value(shown.language)}" dir="auto">{told}</p>\n'
        f"</div>\n"
        f'<script src="{_value(source + SCRIPT_PATH)}" async></script>\n'
    )


def _value(text: str) -> str:
    """Spell the value of an attribute in double quotes."""
    return escape(text, quote=True)
