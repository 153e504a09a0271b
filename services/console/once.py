"""
What is shown once: the secret of an invitation or an API key.

It is made here, in the answer that shows it, and kept nowhere but as a hash. The page that holds it
is stored by no browser; whoever sends its form again gets no second secret, but is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from services.console.asking import Ask
from services.query_api.problems import COMMAND_ID_REUSED

JOIN_PATH: Final = "/console/-/join"


def show(
    ask: Ask, kind: str, secret: str, back: str, receipt: Mapping[str, Any], **facts: object
) -> web.Response:
    """Show *secret* of a *kind* that the template knows, and the way back."""
    at = receipt.get("position")
    response = ask.page(
        "once.html",
        kind=kind,
        secret=secret,
        back=ask.url(back) + (f"?at={at}" if at is not None else ""),
        facts=facts,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def was_sent(ask: Ask) -> bool:
    """Whether a form was sent again that has shown its secret already."""
    return ask.problem is not None and ask.problem.code == COMMAND_ID_REUSED.code
