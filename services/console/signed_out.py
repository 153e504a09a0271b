"""
What is said to somebody whose session has ended: by time, by hand, or by a new one elsewhere.

Who opens a page is sent to sign in, and back. A page that is open stays as it is and says so, see
`console.js`: what is being written there must not be lost. Who has sent a form is shown what was in
it, which nobody has kept, so that it can be copied.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from services.console.asking import BASE, Ask
from services.console.forms import KEY_FIELD, PROOF_FIELD, read_form
from services.http_door import cross_site
from services.query_api.problems import HttpProblem

# What a browser does not show while it is typed is not shown afterwards either.
UNSHOWN: Final = frozenset({PROOF_FIELD, KEY_FIELD, "value", "password"})


async def answer(ask: Ask) -> web.Response:
    """Answer a request that nobody's session came with."""
    if ask.is_live_part:
        # Nothing is put into the page; its script is told, see `console.js`.
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Trigger": "signedOut"})
    if ask.request.method == "GET":
        return to_sign_in(ask.request.path_qs)
    try:
        cross_site.check_origin(ask.request, must_say=True)
    except HttpProblem:
        # Another site must not choose what a page of ours shows.
        return to_sign_in(BASE)
    sent = await read_form(ask.request)
    written = [(name, text) for name, text in sent.pairs if name not in UNSHOWN and text.strip()]
    ask.tenant, ask.problem = "", None
    return ask.page(
        "signed_out.html",
        status=HTTPStatus.UNAUTHORIZED,
        written=written,
        sign_in=address(ask.path),
        has_secret=any(sent.fields.get(name) for name in ("value", "password")),
    )


def to_sign_in(back: str) -> web.Response:
    """Go to the page for signing in, and from there to *back*."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address(back)})


def address(back: str) -> str:
    """Return the address of the page for signing in, which leads on to *back*."""
    return f"/sign-in?{urlencode({'next': back})}"
