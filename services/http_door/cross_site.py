"""
Cross-site requests: other sites may not use a browser's session.

A browser sends our cookie whoever made it ask. So what changes something needs two more things, as
OWASP recommends, and either of them alone would do:

1. The browser itself says that the request comes from our origin: `Sec-Fetch-Site: same-origin`, or
   without that header (old browsers) an `Origin` whose host is the one that was asked. A page
   cannot set either. `SameSite=Lax` alone is not enough: it counts sibling hosts as the same site.
2. The header `Vito-Csrf-Token` with a value that is derived from the session. Only a page of our
   origin can read it (from /v1/me), and no form can send a header.

Keys and tokens need none of this: no browser adds them by itself. Signing in has no session yet, so
it needs the first: otherwise somebody could sign a visitor in as themselves and read what they do.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from services.http_door.caller import Caller
from services.query_api.problems import CROSS_SITE_REFUSED, HttpProblem

PROOF_HEADER: Final = "Vito-Csrf-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def check(request: web.BaseRequest, caller: Caller) -> None:
    """Let a request pass that the caller has really made; raises HttpProblem (403)."""
    if not caller.csrf_token or request.method in SAFE_METHODS:
        return
    check_origin(request, must_say=True)
    check_proof(request.headers.get(PROOF_HEADER, ""), caller.csrf_token)


def check_proof(shown: str, csrf_token: str) -> None:
    """Refuse what does not show what only our pages can read; raises HttpProblem (403)."""
    if not hmac.compare_digest(shown.encode(errors="replace"), csrf_token.encode()):
        raise HttpProblem(CROSS_SITE_REFUSED, f"The header {PROOF_HEADER} is missing or wrong.")


def check_origin(request: web.BaseRequest, *, must_say: bool) -> None:
    """
    Refuse what a page of another origin has sent; raises HttpProblem (403).

    *must_say*: a browser must say where it comes from. Programs without a browser do not.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_ours = site == "same-origin"
    elif origin is not None:
        is_ours = _host_of(origin) == request.host.lower()
    else:
        is_ours = True
    if site is None and origin is None and must_say:
        raise HttpProblem(
            CROSS_SITE_REFUSED,
            "A session's request must say which page it comes from: Sec-Fetch-Site or Origin.",
        )
    if not is_ours:
        raise HttpProblem(CROSS_SITE_REFUSED, "The request comes from a page of another origin.")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
