"""
A page or a file of the web, for somebody who named its address.

`robots.txt` is not asked: it speaks to programs that find pages by themselves (RFC 9309), and this
one fetches the one address that a person gave, when they ask for it, follows no link and never
comes back by itself. It says who it is, so a site can turn it away, and what a site answers (401,
403, 429, 451) is taken for an answer and told to the person. What is fetched is a draft until
somebody has read it.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from services.knowledge.fetched import Fetched
from services.knowledge.fetching.media_type import media_type_of
from services.knowledge.fetching.safe_http import Limits, Reply, SafeHttp, too_slow
from services.knowledge.fetching.target import PORTS, Ports, Target, redirected, target_of
from services.knowledge.problem import IngestionProblem

REDIRECTS_MAX: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Every one of them is turned away by somebody's decision.
TURNED_AWAY: Final = frozenset({401, 402, 403, 407, 429, 451})
HEADERS: Final = {
    "Accept": "text/html,application/xhtml+xml,application/pdf,text/plain,text/markdown,"
    "application/json;q=0.9,*/*;q=0.1",
    "Accept-Language": "es-AR,es;q=0.9,en;q=0.8",
}


class WebFetcher:
    """Fetches addresses over *http*. *ports* says which schemes and ports are allowed."""

    def __init__(
        self,
        http: SafeHttp,
        *,
        ports: Ports = PORTS,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._http = http
        self._ports = ports
        self._limits = limits

    async def fetch(self, location: str) -> Fetched:
        """
        Fetch what is at *location*, after at most five redirects, all within the time of one.

        Raises IngestionProblem: address_refused, not_found, blocked, unreachable, too_slow,
        too_large, wrong_type, damaged, no_text.
        """
        target = target_of(location.strip(), self._ports)
        try:
            async with asyncio.timeout(self._limits.total_s):
                target, reply = await self._followed(target)
        except TimeoutError as problem:
            raise too_slow(target.host, self._limits.total_s) from problem
        _check(target, reply)
        if not reply.body.strip():
            raise IngestionProblem("no_text", f"{target.url} is empty.")
        kind, charset = media_type_of(reply.headers.get("Content-Type", ""), target.path)
        return Fetched(body=reply.body, media_type=kind, charset=charset, location=target.url)

    async def _followed(self, target: Target) -> tuple[Target, Reply]:
        for _ in range(REDIRECTS_MAX + 1):
            reply = await self._http.exchange(target, headers=HEADERS, limits=self._limits)
            onward = reply.headers.get("Location", "")
            if reply.status not in REDIRECTS or not onward:
                return target, reply
            target = redirected(target, onward, self._ports)
        raise IngestionProblem(
            "unreachable",
            f"It leads on more than {REDIRECTS_MAX} times, in the end to {target.host}. Open it in"
            " a browser and add the address where it ends.",
        )


def _check(target: Target, reply: Reply) -> None:
    """Raise IngestionProblem for an answer that is no page."""
    status = reply.status
    if status == HTTPStatus.OK:
        return
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise IngestionProblem(
            "not_found", f"There is nothing at {target.url} (status {status}). Check the address."
        )
    if status in TURNED_AWAY:
        raise IngestionProblem(
            "blocked",
            f"{target.host} does not let us read it (status {status}). If you may use it, upload"
            " the document.",
            may_pass=status == HTTPStatus.TOO_MANY_REQUESTS,
        )
    raise IngestionProblem(
        "unreachable",
        f"{target.host} answered with status {status}, which is no page. Try again later.",
        may_pass=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )
