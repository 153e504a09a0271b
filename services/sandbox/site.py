"""
Web pages of hosts that do not exist: /site/<host>/<path>, for names that end with `.example`.

They are the articles that the sandbox's NewsAPI finds, at the addresses that it gives them. Faults
of its own, at `page`: `redirect` to *detail*; `typed`, with *detail* as its media type; `bomb`, a
gigabyte of blanks packed into a megabyte; `endless`, text that does not end.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from html import escape
from typing import Final

from aiohttp import web

from services.sandbox.exchange import ConnectionCut, Exchange
from services.sandbox.news_desk import ARTICLES, Story
from services.sandbox.vendor import SandboxVendor

BOMB_BYTES: Final = 1 << 30
STEP_BYTES: Final = 1 << 20


class Site(SandboxVendor):
    """All hosts in one. Nobody has to show a key."""

    name = "site"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/{host}/{path:.*}", self.counted("page", self._page))]

    def shown_key(self, request: web.Request) -> str:  # noqa: ARG002
        return ""

    def accepts(self, request: web.Request) -> bool:  # noqa: ARG002
        return True

    def error(self, status: int, detail: str = "") -> web.Response:
        page = f"<!doctype html><title>{status}</title><h1>{detail or 'Not here'}</h1>"
        return web.Response(text=page, status=status, content_type="text/html")

    async def _page(self, exchange: Exchange) -> web.StreamResponse:
        fault, asked = exchange.fault, exchange.request.match_info
        if fault is not None and fault.kind == "redirect":
            return web.Response(status=302, headers={"Location": fault.detail})
        if fault is not None and fault.kind in _STREAMS:
            try:
                return await _STREAMS[fault.kind](exchange)
            except ConnectionError as problem:
                # Whoever read it has had enough.
                raise ConnectionCut from problem
        story = next(
            (it for it in ARTICLES if (it.host, it.slug) == (asked["host"], asked["path"])), None
        )
        if story is None:
            return self.error(404)
        kind = fault.detail if fault is not None and fault.kind == "typed" else "text/html"
        return web.Response(body=_html(story).encode(), headers={"Content-Type": kind})


def _html(story: Story) -> str:
    return (
        f'<!doctype html><html lang="{story.language}"><head><meta charset="utf-8">'
        f"<title>{escape(story.title)}</title></head><body><article>"
        f"<h1>{escape(story.title)}</h1><p>{escape(story.description)}</p>"
        f"<p>{escape(story.author or story.source)}</p></article></body></html>"
    )


async def _bomb(exchange: Exchange) -> web.StreamResponse:
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(exchange.request)
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    blanks = b" " * STEP_BYTES
    await response.write(packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH))
    # After a full flush the same input packs to the same bytes.
    packed = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(BOMB_BYTES // STEP_BYTES):
        await response.write(packed)
        await asyncio.sleep(0)
    return response


async def _endless(exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(exchange.request)
    # Until whoever reads goes away: writing then fails.
    while True:
        await exchange.chunk()
        await response.write(b"y\n" * 32_768)


_STREAMS: Final = {"bomb": _bomb, "endless": _endless}
